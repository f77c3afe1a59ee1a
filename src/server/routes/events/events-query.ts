/** The parameters of GET /v1/events. */
import { z } from 'zod';
import { parseDuration } from '../../../config/values/units.ts';
import { EVENT_TYPES } from '../../../event.ts';
import { refuse } from '../../../field-errors.ts';
import { text } from '../../../media.ts';

const REPEAT_LIMIT = 200;
export const LONGEST_WAIT_MS = 30_000;
/** Instead of a cursor: only events that come from now on. */
export const FROM_NOW = 'now';

const listOf = <T extends z.ZodType>(item: T) =>
  z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(item).min(1).max(REPEAT_LIMIT).optional(),
  );

/** A duration such as 20s; a bare number counts seconds. */
const wait = z
  .string()
  .max(20)
  .transform((value, context) => {
    const ms = parseDuration(/^\d+$/.test(value) ? `${value}s` : value);
    if (ms !== undefined && ms >= 0 && ms <= LONGEST_WAIT_MS) return ms;
    refuse(context, {
      en: 'must be a duration of at most 30s, such as 20s',
      zh: '必须是不超过 30s 的时长，例如 20s',
    });
    return z.NEVER;
  });

export const eventsQuery = z.strictObject({
  after: text(200)
    .optional()
    .describe(
      'the nextCursor of the last page; absent: from the oldest event that is kept; now: only later ones',
    ),
  type: listOf(z.enum(EVENT_TYPES)),
  account: listOf(text(128)),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  wait: wait
    .optional()
    .describe('how long to wait where there is no event, at most 30s; default: not at all'),
});
export type EventsQuery = z.output<typeof eventsQuery>;
