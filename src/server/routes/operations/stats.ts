/** GET /v1/stats: the state of the whole service in one small response. */
import { z } from 'zod';
import { STATUSES } from '../../../media.ts';
import { storeHoldJson } from '../../../pipeline/views/store-hold.ts';
import { languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { findingsJson } from '../../views/finding.ts';
import { currentChecksSchema } from '../check-schema.ts';
import { count } from '../field-schemas.ts';
import { storeHoldSchema } from './store-hold-schema.ts';

/** Ten million rows are read in about a minute. */
const RECOUNT_TIMEOUT_MS = 10 * 60_000;

export const statsSchema: z.ZodType = z.object({
  byStatus: z.object(Object.fromEntries(STATUSES.map((status) => [status, count]))),
  backlog: z
    .object({ overdue: count, under1h: count, under6h: count, under24h: count, over24h: count })
    .describe('pending media items by the time left until expiresAt'),
  waiting: z.record(z.string(), count).describe('pending media items by the reason why they wait'),
  atRisk: count.describe('pending media items with less than six hours left'),
  tightestExpirySeconds: z.number().optional(),
  oldestPendingSeconds: z.number().optional(),
  archivedPerMinute: z.number(),
  lostLast7Days: count.describe('media items that expired in the last seven days and are still expired'),
  storeHold: storeHoldSchema.nullable().describe('why all archiving waits for the store'),
  checks: currentChecksSchema,
});

const statsExample = {
  byStatus: { pending: 4, archived: 10_240, dead: 3, expired: 0, erased: 12 },
  backlog: { overdue: 0, under1h: 0, under6h: 0, under24h: 0, over24h: 4 },
  waiting: { queued: 3, retry: 1 },
  atRisk: 0,
  tightestExpirySeconds: 251_100,
  oldestPendingSeconds: 12,
  archivedPerMinute: 38.5,
  lostLast7Days: 0,
  storeHold: null,
  checks: [],
};

const recountSchema: z.ZodType = z.object({
  corrected: count.describe('the number of items by which the counts were wrong'),
  accounts: z.array(z.string()).describe('accounts whose counts were wrong'),
});

export function statsRoutes(deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'runChecks'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/stats',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['stats'],
          operationId: 'getStats',
          summary: 'Get the state of the whole service',
          description: 'Counts by status, backlog by time left, archived per minute, holds and findings.',
          response: { 200: statsSchema },
          examples: { response: { 200: statsExample } },
        },
      },
      async (request) => {
        const { accounts } = request.principal;
        const language = languageOf(request);
        const [stats, { hold }, findings] = await Promise.all([
          deps.catalogue.stats.read(deps.clock.now(), accounts),
          deps.catalogue.storeHold.read(),
          deps.runChecks(accounts),
        ]);
        const storeHold = hold ? storeHoldJson(hold, language) : null;
        // For a key that is bound to accounts, the response contains why its items wait, but not the error of the
        // store.
        const { detail: _, ...withoutDetail } = storeHold ?? {};
        return {
          ...stats,
          storeHold: storeHold && accounts ? withoutDetail : storeHold,
          checks: findingsJson('page', findings, { language, accounts }, deps.accounts),
        };
      },
    );

    app.post(
      '/v1/stats/recount',
      {
        config: { scope: 'admin' },
        schema: {
          tags: ['stats'],
          operationId: 'recountStats',
          summary: 'Count the rows again now',
          description: 'It happens daily. Use it after tables were restored or rows were removed by hand.',
          response: { 200: recountSchema },
          examples: { response: { 200: { corrected: 0, accounts: [] } } },
        },
      },
      async (request) => {
        const recounted = await deps.catalogue.stats.recount(AbortSignal.timeout(RECOUNT_TIMEOUT_MS));
        await deps.catalogue.auditLog.write({
          at: deps.clock.now(),
          actor: request.principal.name,
          action: 'recount',
          target: 'counts',
          accounts: undefined,
          detail: { corrected: recounted.corrected },
        });
        return recounted;
      },
    );
  };
}
