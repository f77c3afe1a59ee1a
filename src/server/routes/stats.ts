/** /v1/stats: the state of the whole in one small answer. */
import type { App, ServerDeps } from '../app.ts';

export function statsRoutes(deps: Pick<ServerDeps, 'access' | 'catalogue' | 'clock'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/stats',
      { schema: { tags: ['stats'], summary: 'Counts by status, backlog by time left, pace' } },
      async (request) => {
        deps.access.authorize(request, 'read');
        return deps.catalogue.stats(deps.clock.now());
      },
    );
  };
}
