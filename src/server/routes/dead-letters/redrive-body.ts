/** The bodies of POST /v1/redrives and POST /v1/media/{id}/retry. */
import { z } from 'zod';
import type { LocalizedText } from '../../../explanation.ts';
import { refuse } from '../../../field-errors.ts';
import { trimmedText } from '../field-schemas.ts';
import { filterSchema, refuseFields, refusePersonInReason, refuseStatuses } from '../filter-body.ts';

const MEDIA_LIMIT = 10_000_000;

const reason = trimmedText(300)
  .optional()
  .describe('stored with the media item and in the audit log: do not include personal data');

const HAS_NO_DEADLINE = {
  en: 'only pending media items have a deadline, and those are not redriven',
  zh: '只有 pending 状态的素材有截止时间，而它们无需重新归档',
};

export const redriveBody = z
  .strictObject({
    filter: filterSchema
      .default({})
      .describe('without a status: dead media items, with force also expired ones'),
    all: z.boolean().default(false).describe('required if the filter is empty'),
    limit: z.number().int().min(1).max(MEDIA_LIMIT).optional().describe('the maximum number of media items'),
    rate: z.number().int().min(1).max(1000).default(20).describe('media items per second'),
    reason,
    dryRun: z
      .boolean()
      .default(false)
      .describe('only returns the media items that would be redriven, without redriving them'),
    force: z
      .boolean()
      .default(false)
      .describe('also redrives expired media items, although WeChat may have deleted them'),
  })
  .superRefine(({ filter, all, force, reason }, context) => {
    const addIssue = (field: string[], text: LocalizedText) => refuse(context, text, field);
    if (Object.keys(filter).length === 0 && !all)
      addIssue(['filter'], {
        en: 'is empty: set all: true to redrive every dead letter',
        zh: '为空：如需重新归档全部死信，请设置 all: true',
      });
    if (filter.status?.includes('expired') && !force)
      addIssue(['filter', 'status'], {
        en: 'expired media items are redriven only with force: true',
        zh: 'expired 状态的素材仅在 force: true 时重新归档',
      });
    refuseStatuses(context, filter, (status) => status !== 'dead' && status !== 'expired', {
      en: 'only dead and expired media items can be redriven',
      zh: '只有 dead 和 expired 状态的素材可以重新归档',
    });
    refuseFields(context, filter, {
      sha256: {
        en: 'only archived media items have it, and those are not redriven',
        zh: '只有 archived 状态的素材有此字段，而它们无需重新归档',
      },
      expiresFrom: HAS_NO_DEADLINE,
      expiresBefore: HAS_NO_DEADLINE,
    });
    refusePersonInReason(context, reason, filter);
  });

/** The whole body is optional. */
export const retryBody = z.strictObject({ reason, force: z.boolean().default(false) }).nullish();
