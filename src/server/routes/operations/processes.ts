/** GET /v1/processes: the processes of the service, each with what it reports about itself. */
import { z } from 'zod';
import type { RegisteredProcess } from '../../../catalogue/processes/registry.ts';
import { checkOf, isCheckCode } from '../../../pipeline/checks/table.ts';
import { type Language, languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { count, responseTime } from '../field-schemas.ts';

export const processesSchema: z.ZodType = z.object({
  items: z.array(
    z.object({
      name: z.string().describe('host (program, pid)'),
      program: z.string().describe('all, server, worker or sweep'),
      version: z.string(),
      isWorker: z.boolean().describe('whether it archives'),
      startedAt: responseTime,
      heartbeatAt: responseTime.describe('sent every three seconds'),
      leftAt: responseTime.optional().describe('when it shut down in order'),
      isAlive: z.boolean().describe('false: it has left, or sent no heartbeat for 15 s'),
      inHand: count.describe('the media items that it works on now'),
      clockAheadMs: z
        .number()
        .int()
        .optional()
        .describe("its clock compared with the database's; negative: behind"),
      conditions: z.array(
        z.object({
          code: z.string().describe('a code of the list of checks'),
          since: responseTime,
          count,
          message: z.string(),
        }),
      ),
    }),
  ),
});

const processExample = {
  name: 'web-1 (all, 4242)',
  program: 'all',
  version: '0.1.0',
  isWorker: true,
  startedAt: '2026-11-20T07:00:00.000Z',
  heartbeatAt: '2026-11-20T08:00:00.000Z',
  isAlive: true,
  inHand: 2,
  clockAheadMs: 3,
  conditions: [],
};

function processJson(one: RegisteredProcess, language: Language) {
  return {
    ...one,
    conditions: one.conditions.map(({ code, since, count, detail }) => ({
      code,
      since,
      count,
      // A process of a newer release may report a condition that is unknown here.
      message: isCheckCode(code) ? checkOf(code).begun({ target: one.name, count, detail })[language] : code,
    })),
  };
}

export function processRoutes({ catalogue }: Pick<RouteDeps, 'catalogue'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/processes',
      {
        // The names contain hosts, which a key that is bound to accounts must not see.
        config: { scope: 'read' },
        schema: {
          tags: ['health'],
          operationId: 'listProcesses',
          summary: 'List the processes of the service',
          description:
            'Heartbeat, version, items in hand, clock and conditions of each. One that ended is shown for ten minutes.',
          response: { 200: processesSchema },
          examples: { response: { 200: { items: [processExample] } } },
        },
      },
      async (request) => {
        const language = languageOf(request);
        const processes = await catalogue.processes.list();
        return { items: processes.map((one) => processJson(one, language)) };
      },
    );
  };
}
