/** /v1/stats: the state of the whole in one small answer. */

import { languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { findingsJson } from '../../views/finding.ts';
import { storeHoldJson } from '../../views/store-hold.ts';
import { RECOUNT, STATS } from '../schemas.ts';

/** Ten million rows are read in about a minute. */
const RECOUNT_MS = 10 * 60_000;

export function statsRoutes(deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'look'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/stats',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['stats'],
          summary: 'Counts by status, backlog by time left, pace',
          response: { 200: STATS },
        },
      },
      async (request) => {
        const { accounts } = request.principal;
        const language = languageOf(request);
        const [stats, { hold }, look] = await Promise.all([
          deps.catalogue.stats.read(deps.clock.now(), accounts),
          deps.catalogue.storeHold.read(),
          deps.look(accounts),
        ]);
        const storeHold = hold ? storeHoldJson(hold, language) : null;
        // Why the media of a bound key wait, but nothing of what the store said: it is not its store.
        const { detail: _, ...bare } = storeHold ?? {};
        return {
          ...stats,
          storeHold: storeHold && accounts ? bare : storeHold,
          checks: findingsJson('page', look, { language, accounts }, deps.accounts),
        };
      },
    );

    app.post(
      '/v1/stats/recount',
      {
        config: { scope: 'admin' },
        schema: {
          tags: ['stats'],
          summary:
            'Count the rows again, as is done each day: after tables were restored or rows removed by hand',
          response: { 200: RECOUNT },
        },
      },
      async () => await deps.catalogue.stats.recount(AbortSignal.timeout(RECOUNT_MS)),
    );
  };
}
