/** The schema of groups of dead letters, as /v1/dead-letters and the preview of a redrive return them. */
import { z } from 'zod';
import { count, responseTime } from '../field-schemas.ts';

export const deadLetterGroupsSchema = z.array(
  z.object({
    account: z.string(),
    code: z.string(),
    errcode: z.number().int().optional(),
    class: z.string().optional(),
    count,
    firstAt: responseTime,
    lastAt: responseTime,
    message: z.string(),
    advice: z.string(),
  }),
);
