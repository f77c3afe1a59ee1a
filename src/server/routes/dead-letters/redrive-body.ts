/** The bodies of POST /v1/redrives and POST /v1/media/{id}/retry. */
import { z } from 'zod';
import { trimmedText } from '../field-schemas.ts';
import { filterSchema, refuseFields, refusePersonInReason, refuseStatuses } from '../filter-body.ts';

const MEDIA_LIMIT = 10_000_000;

const reason = trimmedText(300)
  .optional()
  .describe('stored with the media item and in the audit log: do not include personal data');

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
    const addIssue = (field: string[], message: string) =>
      context.addIssue({ code: 'custom', path: field, message });
    if (Object.keys(filter).length === 0 && !all)
      addIssue(['filter'], 'is empty: set all: true to redrive every dead letter');
    if (filter.status?.includes('expired') && !force)
      addIssue(['filter', 'status'], 'expired media items are redriven only with force: true');
    refuseStatuses(
      context,
      filter,
      (status) => status !== 'dead' && status !== 'expired',
      'only dead and expired media items can be redriven',
    );
    refuseFields(context, filter, {
      sha256: 'only archived media items have it, and those are not redriven',
      expiresFrom: 'only pending media items have a deadline, and those are not redriven',
      expiresBefore: 'only pending media items have a deadline, and those are not redriven',
    });
    refusePersonInReason(context, reason, filter);
  });

/** The whole body is optional. */
export const retryBody = z.strictObject({ reason, force: z.boolean().default(false) }).nullish();
