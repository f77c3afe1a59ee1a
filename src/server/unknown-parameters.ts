/** A parameter that a route does not know is refused: a filter with a slip in its name would match everything. */
import { z } from 'zod';
import type { App } from './route-deps.ts';

const NONE = z.strictObject({});

/** Before the routes, and before what documents them. Health and pages take what monitors and browsers append. */
export function rejectUnknownParameters(app: App): void {
  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith('/v1/')) return;
    route.schema = { ...route.schema, querystring: route.schema?.querystring ?? NONE };
  });
}
