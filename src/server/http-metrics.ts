/** Counts the HTTP requests of every route, and how long they take. */
import type { Metrics } from '../runtime/metrics.ts';
import type { App } from './route-deps.ts';

/** Requests to addresses that no route has share one label: otherwise any client could make a new series. */
const NO_ROUTE = 'none';

/** Must be called before routes are added. The labels have the pattern of a route (`/v1/media/:id`), never an id. */
export function addHttpMetrics(
  app: Pick<App, 'addHook'>,
  { httpRequests, httpSeconds }: Pick<Metrics, 'httpRequests' | 'httpSeconds'>,
): void {
  // A series that begins with its first failure shows no increase.
  httpRequests.inc({ method: 'POST', route: '/wechat/:account', status: 503 }, 0);
  app.addHook('onResponse', async (request, reply) => {
    const { url } = request.routeOptions;
    // A callback's address has a variant with a slash at its end, which is the same route.
    const route = request.is404 || !url ? NO_ROUTE : url.replace(/(?<=.)\/$/, '');
    httpRequests.inc({ method: request.method, route, status: reply.statusCode });
    httpSeconds.observe({ route }, reply.elapsedTime / 1_000);
  });
}
