/** The schema of what a filter selects: the response of a dry run. */
import { z } from 'zod';
import { KINDS, STATUSES } from '../../../media.ts';
import { count } from '../field-schemas.ts';

export const selectionSchema: z.ZodType = z
  .object({
    matched: count,
    bytes: count.describe('the sizes of the stored files together'),
    groups: z
      .array(
        z.object({ account: z.string(), kind: z.enum(KINDS).optional(), status: z.enum(STATUSES), count }),
      )
      .describe('largest first, at most 500'),
  })
  .meta({ id: 'Selection', description: 'What a filter selects' });

export const selectionExample = {
  matched: 12,
  bytes: 2_211_840,
  groups: [{ account: 'wx0123456789abcdef', kind: 'image', status: 'archived', count: 12 }],
};
