/** /livez and /readyz, for supervisors that restart the process and load balancers that route traffic to it. */
import { z } from 'zod';
import { COMPONENTS } from '../../pipeline/checks/check.ts';
import { readinessOf } from '../../pipeline/checks/findings.ts';
import { liveness } from '../../runtime/health.ts';
import type { App, RouteDeps } from '../route-deps.ts';
import { checkCodeSchema } from './check-schema.ts';
import { count } from './field-schemas.ts';

const livenessSchema: z.ZodType = z.object({
  status: z.enum(['ok', 'stuck']),
  reasons: z.array(z.string()),
});
export const livenessResponses = { 200: livenessSchema, 503: livenessSchema };

const partSchema = z.object({ ok: z.boolean(), codes: z.array(checkCodeSchema).optional() });
const readinessSchema: z.ZodType = z.object({
  status: z.enum(['ok', 'degraded', 'starting', 'closing', 'unavailable']),
  degraded: z.array(checkCodeSchema).describe('codes from the list of checks in docs/operations.md'),
  checks: z
    .object(Object.fromEntries(COMPONENTS.map((part) => [part, partSchema])))
    .partial()
    .describe('empty while the service starts'),
  spool: z
    .object({ records: count, bytes: count })
    .optional()
    .describe(
      'records that were accepted while the catalogue was unavailable and are not yet written into it',
    ),
});
export const readinessResponses = { 200: readinessSchema, 503: readinessSchema };

const readyExample = {
  status: 'ok',
  degraded: [],
  checks: { catalogue: { ok: true }, queue: { ok: true }, store: { ok: true } },
};

export function healthRoutes(deps: Pick<RouteDeps, 'ingest' | 'runChecks' | 'shutdown' | 'health'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/livez',
      {
        config: { scope: 'open' },
        schema: {
          tags: ['health'],
          operationId: 'getLiveness',
          summary: 'Whether the process works',
          description: '200 unless only a restart of the process helps.',
          response: livenessResponses,
          examples: {
            response: {
              200: { status: 'ok', reasons: [] },
              503: { status: 'stuck', reasons: ['the dispatcher has not run for 120 s'] },
            },
          },
        },
      },
      async (_request, reply) => {
        const { code, body } = liveness(deps.health);
        return reply.code(code).send(body);
      },
    );

    app.get(
      '/readyz',
      {
        config: { scope: 'open' },
        schema: {
          tags: ['health'],
          operationId: 'getReadiness',
          summary: 'Whether requests should come here',
          description: '200 while a callback can be made durable.',
          response: readinessResponses,
          examples: { response: { 200: readyExample, 503: { ...readyExample, status: 'closing' } } },
        },
      },
      async (_request, reply) => {
        const findings = await deps.runChecks();
        const { degraded, checks } = readinessOf(findings);
        const isClosing = deps.shutdown.signal.aborted;
        const { isDatabaseDown, spool } = deps.ingest.state;
        const canWrite = (findings.facts.catalogue?.ok && !isDatabaseDown) || spool?.isWritable === true;
        const isReady = canWrite && !isClosing;
        return reply.code(isReady ? 200 : 503).send({
          status: isReady ? (degraded.length > 0 ? 'degraded' : 'ok') : isClosing ? 'closing' : 'unavailable',
          degraded,
          checks,
          ...(spool ? { spool: { records: spool.records, bytes: spool.bytes } } : {}),
        });
      },
    );
  };
}
