/** What may be asked of a redrive. */
import { z } from 'zod';
import type { Redrivable } from '../../../catalogue/redrive/filter.ts';
import type { FailureClass } from '../../../failures.ts';
import { KINDS } from '../../../media.ts';
import { FAILURE_CODES } from '../../../wechat/api/errcodes.ts';
import { requestTime, trimmedText } from '../field-schemas.ts';

const MANY_LIMIT = 200;
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

/** One, or a list of them. */
const many = <T extends z.ZodType>(item: T) =>
  z
    .preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1).max(MANY_LIMIT))
    .optional();
const reason = trimmedText(300).optional().describe('kept with the media and in the log of events');

const FILTER = z.strictObject({
  account: many(trimmedText(128)).describe('by its id or its name'),
  errcode: many(
    z
      .number()
      .int()
      .min(-INT4_LIMIT)
      .max(INT4_LIMIT - 1),
  ),
  code: many(
    trimmedText(64).refine(
      (code) => KNOWN_CODES.has(code),
      'is not a code of a failure; GET /v1/dead-letters shows them',
    ),
  ),
  class: many(z.enum(CLASSES)),
  kind: many(z.enum(KINDS)),
  status: many(z.enum(STATUSES)).describe('default dead; with force dead and expired'),
  failedFrom: requestTime.optional().describe('became dead or expired then or later'),
  failedTo: requestTime.optional(),
  sentFrom: requestTime.optional(),
  sentTo: requestTime.optional(),
});

export const redriveBody = z
  .strictObject({
    filter: FILTER.default({}),
    all: z.boolean().default(false).describe('needed where the filter is empty'),
    limit: z.number().int().min(1).max(MEDIA_LIMIT).optional().describe('at most so many media'),
    rate: z.number().int().min(1).max(1000).default(20).describe('media per second'),
    reason,
    dryRun: z.boolean().default(false).describe('only says what it would take'),
    force: z.boolean().default(false).describe('expired media too, though WeChat may have them no more'),
  })
  .superRefine(({ filter, all, force }, context) => {
    const wrong = (field: string[], message: string) =>
      context.addIssue({ code: 'custom', path: field, message });
    if (Object.keys(filter).length === 0 && !all) {
      wrong(['filter'], 'is empty: say all: true to mean every dead letter');
    }
    if (filter.status?.includes('expired') && !force) {
      wrong(['filter', 'status'], 'expired media are tried again with force: true only');
    }
    for (const [from, to] of [
      ['failedFrom', 'failedTo'],
      ['sentFrom', 'sentTo'],
    ] as const) {
      const [start, end] = [filter[from], filter[to]];
      if (start !== undefined && end !== undefined && Date.parse(start) >= Date.parse(end)) {
        wrong(['filter', to], `is not after ${from}`);
      }
    }
  });

/** May be left out altogether. */
export const retryBody = z.strictObject({ reason, force: z.boolean().default(false) }).nullish();
