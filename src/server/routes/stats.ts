/** /v1/stats: the state of the whole in one small answer. */
import { STATS } from '../answers.ts';
import type { App, ServerDeps } from '../deps.ts';
import { findingsJson } from '../finding-json.ts';
import { languageOf } from '../problem.ts';
import { storeHoldJson } from '../store-hold-json.ts';

export function statsRoutes(deps: Pick<ServerDeps, 'accounts' | 'catalogue' | 'clock' | 'look'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/stats',
      {
        config: { scope: 'read' },
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
          deps.catalogue.stats(deps.clock.now(), accounts),
          deps.catalogue.storeHold.read(),
          deps.look(accounts),
        ]);
        return {
          ...stats,
          storeHold: hold ? storeHoldJson(hold, language) : null,
          checks: findingsJson('page', look, { language, accounts }, deps.accounts),
        };
      },
    );
  };
}
