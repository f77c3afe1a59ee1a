/** GET /v1/stats/history: what was received, archived and lost over time, and the backlog. */
import { z } from 'zod';
import { resolveAccount } from '../../auth/access.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { count, responseTime } from '../field-schemas.ts';
import { historyQuery, historyRangeOf } from './history-query.ts';

export const historySchema: z.ZodType = z.object({
  from: responseTime.describe('the start of the first step'),
  to: responseTime.describe('the end of the period; the last step may end later'),
  stepSeconds: count,
  points: z.array(
    z.object({
      at: responseTime.describe('the start of the step'),
      received: count.describe('media items accepted for the first time, by the time of their acceptance'),
      archived: count,
      dead: count,
      expired: count,
      bytes: count.describe('of the archived objects'),
      backlog: count.describe('pending media items at the end of the step, or now if it has not ended'),
    }),
  ),
});

const historyExample = {
  from: '2026-11-20T00:00:00.000Z',
  to: '2026-11-20T00:20:00.000Z',
  stepSeconds: 3600,
  points: [
    {
      at: '2026-11-20T00:00:00.000Z',
      received: 120,
      archived: 118,
      dead: 1,
      expired: 0,
      bytes: 21_749_760,
      backlog: 1,
    },
  ],
};

export function historyRoutes({
  accounts,
  catalogue,
  clock,
}: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/stats/history',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['stats'],
          operationId: 'getStatsHistory',
          summary: 'Get what was received, archived and lost over time',
          description:
            'Received, archived, dead, expired, bytes and backlog: by the minute for two days, by the hour for as long as the catalogue lives.',
          querystring: historyQuery,
          response: { 200: historySchema },
          examples: {
            querystring: { from: '24h', step: '1h' },
            response: { 200: historyExample },
          },
        },
      },
      async (request) => {
        const { range, to } = historyRangeOf(request.query, clock.now());
        const { account: nameOrId } = request.query;
        const included =
          nameOrId === undefined
            ? request.principal.accounts
            : [resolveAccount(request.principal, accounts, nameOrId)];
        const points = await catalogue.history.read(range, included);
        return { from: range.from, to, stepSeconds: range.stepMs / 1000, points };
      },
    );
  };
}
