/** The schema of every error response. */
import { z } from 'zod';

export const problemSchema: z.ZodType = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().describe('stable machine name'),
    detail: z.string().optional(),
    advice: z.string().describe('what to do, in the language of Accept-Language (en or zh)'),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });
