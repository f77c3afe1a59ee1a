/** Schemas of single fields that several routes share. */
import { z } from 'zod';
import { parseSearch } from '../../catalogue/media/search.ts';
import { momentOf } from '../../config/values/moment.ts';
import { parseDuration } from '../../config/values/units.ts';
import { refuse, saying } from '../../field-errors.ts';
import { text } from '../../media.ts';

// Schemas of whole responses are declared as plain `z.ZodType`. They describe the JSON, in which a Date is a string.
// With a more specific type, the type provider would compare them with the values that a handler returns.

export const count = z.number().int().nonnegative();

/** A time in a response: RFC 3339, UTC. */
export const responseTime = z.iso.datetime();

/** A time in a request body: RFC 3339 with any offset from UTC. */
export const requestTime = z.iso.datetime({ offset: true });

/** Text that a person typed. Surrounding blanks are removed. */
export const trimmedText = (max: number) => text(max, z.string().trim());

/** Why a person does something. It stays in the audit log, from which nothing is removed, not even by an erasure. */
export const reason = (max: number) =>
  trimmedText(max).describe(
    'kept in the audit log permanently: no names, openIds or other personal data; better the number of a case',
  );

/** A duration in a request body, such as 1h; ms s m h d. Resolves to milliseconds. */
export const requestDuration = z
  .string()
  .max(20)
  .transform((value, context) => {
    const ms = /[a-z]$/.test(value) ? parseDuration(value) : undefined;
    if (ms !== undefined && ms > 0) return ms;
    refuse(context, {
      en: 'must be a duration, for example 90m, 24h or 7d',
      zh: '必须是时长，例如 90m、24h 或 7d',
    });
    return z.NEVER;
  });

/**
 * A time in a query. It may also be a date, or a duration from now: `1h` is an hour ago (`past`) or in an hour
 * (`future`).
 */
export const queryTime = (direction: 'past' | 'future') =>
  z
    .string()
    .max(40)
    .transform((value, context) => {
      // A + in the offset that was not escaped arrives as a blank.
      const at = momentOf(value.replace(/ (\d{2}:?\d{2})$/, '+$1'), direction, new Date());
      if (at) return at.toISOString();
      refuse(context, {
        en: 'must be a date (2026-11-20T08:00:00+08:00, 2026-11-20) or a duration (90m, 24h, 7d)',
        zh: '必须是日期（2026-11-20T08:00:00+08:00、2026-11-20）或时长（90m、24h、7d）',
      });
      return z.NEVER;
    });

/** The text of a search box. */
export const searchText = text(512)
  .refine(
    (value) => parseSearch(value) !== undefined,
    saying({ en: 'must have at least two characters beside each other', zh: '至少需要两个相邻的字符' }),
  )
  .describe(
    'a search: an id of any kind, the beginning of a sha256 (6 hex digits or more), or words, all of which occur in the recognised text or file name',
  );

/** The parameters of a list that goes back from the newest entry. `last`: of which entry `before` is the number. */
export const backwardPage = (last: string) => ({
  before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional().describe(last),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
