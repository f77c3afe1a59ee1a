/** What /v1/verifications and /v1/doctor answer, as schemas; see answers.ts. */
import { z } from 'zod';
import { VERIFICATION_KINDS } from '../../../catalogue/verification/verifications.ts';

const time = z.iso.datetime();
const count = z.number().int().nonnegative();

export const VERIFICATION: z.ZodType = z
  .object({
    id: z.string(),
    kind: z.enum(VERIFICATION_KINDS),
    state: z.enum(['waiting', 'running', 'done', 'stopped']),
    by: z.string().describe('the name of the key that asked'),
    reason: z.string().optional(),
    sample: count.optional(),
    filter: z
      .object({
        accounts: z.array(z.string()).optional(),
        sentFrom: z.string().optional(),
        sentTo: z.string().optional(),
      })
      .optional(),
    rate: z
      .object({ bytesPerSecond: z.number().optional(), objectsPerSecond: z.number().optional() })
      .optional(),
    remove: z.boolean().optional(),
    dryRun: z.boolean().optional(),
    done: count.describe('rows and objects looked at'),
    total: count.optional().describe('absent where only a listing could tell'),
    bytes: count.describe('read from the store'),
    counts: z.record(z.string(), count).describe('by what was found; docs/verification.md names them'),
    drift: count.describe('where catalogue and bucket contradict each other'),
    problem: z.string().optional().describe('why it stands still for now'),
    createdAt: time,
    startedAt: time.optional(),
    updatedAt: time,
    endedAt: time.optional(),
  })
  .meta({ id: 'Verification' });

export const VERIFICATIONS: z.ZodType = z.object({ items: z.array(VERIFICATION) });

export const FINDINGS: z.ZodType = z.object({
  items: z.array(
    z.object({
      seq: count,
      at: time,
      what: z.string(),
      id: z.string().optional(),
      objectKey: z.string().optional(),
      detail: z.string().optional(),
    }),
  ),
});

export const DOCTOR: z.ZodType = z.object({
  ok: z.boolean(),
  checks: z.array(
    z.object({
      name: z.string(),
      ok: z.boolean(),
      message: z.string().describe('what was seen'),
      advice: z.string().optional().describe('what to do'),
      code: z.string().optional().describe('the check of docs/operations.md that found it'),
      severity: z.enum(['error', 'warning', 'notice']).optional(),
    }),
  ),
});
