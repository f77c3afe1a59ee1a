/** /v1/stats: the state of the whole in one small answer. */
import { STATS } from '../answers.ts';
import type { App, ServerDeps } from '../deps.ts';
import { languageOf } from '../problem.ts';
import { storeHoldJson } from '../store-hold-json.ts';

export function statsRoutes(deps: Pick<ServerDeps, 'catalogue' | 'clock'>) {
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
        const [stats, { hold }] = await Promise.all([
          deps.catalogue.stats(deps.clock.now(), request.principal.accounts),
          deps.catalogue.storeHold.read(),
        ]);
        return { ...stats, storeHold: hold ? storeHoldJson(hold, languageOf(request)) : null };
      },
    );
  };
}
