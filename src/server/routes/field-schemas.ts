/** Fields that several routes take. */
import { z } from 'zod';
import { momentOf } from '../../config/values/moment.ts';
import { text } from '../../media.ts';

/** What a person wrote: blanks around it say nothing. */
export const trimmedText = (max: number) => text(max, z.string().trim());

/** A moment, with its offset from UTC. */
export const requestTime = z.iso.datetime({ offset: true });

/** In a query: a moment as people write it, too; `1h` is an hour ago, or in an hour. */
export const queryTime = (direction: 'past' | 'future') =>
  z
    .string()
    .max(40)
    .transform((given, context) => {
      // A + of a query is a blank once it is decoded.
      const at = momentOf(given.replace(/ (\d{2}:?\d{2})$/, '+$1'), direction, new Date());
      if (at) return at.toISOString();
      context.addIssue({
        code: 'custom',
        message: 'must be a date (2026-11-20T08:00:00+08:00, 2026-11-20) or a duration (90m, 24h, 7d)',
      });
      return z.NEVER;
    });
