/** What /livez and /readyz return, and what the list of checks finds, as schemas; see answers.ts. */
import { z } from 'zod';
import { COMPONENTS } from '../../pipeline/checks/check.ts';
import { CHECK_CODES } from '../../pipeline/checks/table.ts';

const count = z.number().int().nonnegative();
const checkCodeSchema: z.ZodType = z.enum(CHECK_CODES as [string, ...string[]]);
const PART_STATE = z.object({ ok: z.boolean(), codes: z.array(checkCodeSchema).optional() });
const READINESS: z.ZodType = z.object({
  status: z.enum(['ok', 'degraded', 'closing', 'unavailable']),
  degraded: z.array(checkCodeSchema).describe('codes of the list of checks in docs/operations.md'),
  checks: z.object(Object.fromEntries(COMPONENTS.map((part) => [part, PART_STATE]))),
  spool: z
    .object({ records: count, bytes: count })
    .optional()
    .describe('what was accepted while the catalogue was away and waits to be written into it'),
});
export const READY = { 200: READINESS, 503: READINESS };

const LIVENESS: z.ZodType = z.object({ status: z.enum(['ok', 'stuck']), reasons: z.array(z.string()) });
export const LIVE = { 200: LIVENESS, 503: LIVENESS };

export const currentChecksSchema: z.ZodType = z
  .array(
    z.object({
      code: checkCodeSchema,
      severity: z.enum(['error', 'warning', 'notice']),
      part: z.enum(COMPONENTS),
      account: z.string().optional(),
      since: z.iso.datetime(),
      count,
      message: z.string(),
      advice: z.string(),
    }),
  )
  .describe('what the list of checks finds now, the worst first; empty: all is well');
