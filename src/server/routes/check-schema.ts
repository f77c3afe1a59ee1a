/** The schema of the findings of the list of checks (docs/operations.md). */
import { z } from 'zod';
import { COMPONENTS } from '../../pipeline/checks/check.ts';
import { CHECK_CODES } from '../../pipeline/checks/table.ts';
import { count, responseTime } from './field-schemas.ts';

export const checkCodeSchema: z.ZodType = z.enum(CHECK_CODES as [string, ...string[]]);

export const currentChecksSchema: z.ZodType = z
  .array(
    z.object({
      code: checkCodeSchema,
      severity: z.enum(['error', 'warning', 'notice']),
      part: z.enum(COMPONENTS),
      account: z.string().optional(),
      since: responseTime,
      count,
      message: z.string(),
      advice: z.string(),
    }),
  )
  .describe('current findings of the list of checks, worst first; empty: nothing is wrong');
