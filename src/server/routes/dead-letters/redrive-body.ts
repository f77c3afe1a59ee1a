/** The bodies of POST /v1/redrives and POST /v1/media/{id}/retry. */
import { z } from 'zod';
import type { Redrivable } from '../../../catalogue/redrive/filter.ts';
import type { FailureClass } from '../../../failures.ts';
import { KINDS } from '../../../media.ts';
import { FAILURE_CODES } from '../../../wechat/api/errcodes.ts';
import { requestTime, trimmedText } from '../field-schemas.ts';

const VALUE_LIMIT = 200;
const INT4_LIMIT = 2 ** 31;
const MEDIA_LIMIT = 10_000_000;

const CLASSES = [
  'token',
  'transient',
  'minute_limit',
  'day_quota',
  'permanent_media',
  'account',
  'store',
  'unknown',
] as const satisfies readonly FailureClass[];
const STATUSES = ['dead', 'expired'] as const satisfies readonly Redrivable[];
const KNOWN_CODES: ReadonlySet<string> = new Set(FAILURE_CODES);

/** One value, or a list of them. */
const oneOrMany = <T extends z.ZodType>(item: T) =>
  z
    .preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1).max(VALUE_LIMIT))
    .optional();
const reason = trimmedText(300).optional().describe('stored with the media item and in the audit log');

const filterSchema = z.strictObject({
  account: oneOrMany(trimmedText(128)).describe('an account, by its id or its name'),
  errcode: oneOrMany(
    z
      .number()
      .int()
      .min(-INT4_LIMIT)
      .max(INT4_LIMIT - 1),
  ),
  code: oneOrMany(
    trimmedText(64).refine(
      (code) => KNOWN_CODES.has(code),
      'is not the code of a failure; GET /v1/dead-letters lists the codes',
    ),
  ),
  class: oneOrMany(z.enum(CLASSES)),
  kind: oneOrMany(z.enum(KINDS)),
  status: oneOrMany(z.enum(STATUSES)).describe('default dead; with force dead and expired'),
  failedFrom: requestTime.optional().describe('became dead or expired at this time or later'),
  failedTo: requestTime.optional(),
  sentFrom: requestTime.optional(),
  sentTo: requestTime.optional(),
});

export const redriveBody = z
  .strictObject({
    filter: filterSchema.default({}),
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
  .superRefine(({ filter, all, force }, context) => {
    const addIssue = (field: string[], message: string) =>
      context.addIssue({ code: 'custom', path: field, message });
    if (Object.keys(filter).length === 0 && !all) {
      addIssue(['filter'], 'is empty: set all: true to redrive every dead letter');
    }
    if (filter.status?.includes('expired') && !force) {
      addIssue(['filter', 'status'], 'expired media items are redriven only with force: true');
    }
    for (const [from, to] of [
      ['failedFrom', 'failedTo'],
      ['sentFrom', 'sentTo'],
    ] as const) {
      const [start, end] = [filter[from], filter[to]];
      if (start !== undefined && end !== undefined && Date.parse(start) >= Date.parse(end)) {
        addIssue(['filter', to], `is not after ${from}`);
      }
    }
  });

/** The whole body is optional. */
export const retryBody = z.strictObject({ reason, force: z.boolean().default(false) }).nullish();
