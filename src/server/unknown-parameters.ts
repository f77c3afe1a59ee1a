/** Rejects unknown query parameters: a filter with a misspelt name would match everything. */
import { z } from 'zod';
import type { App } from './route-deps.ts';

const NO_PARAMETERS = z.strictObject({});

/**
 * Must be called before the routes and the OpenAPI plugin are registered. Applies only to /v1, because monitors and
 * browsers append their own parameters to the addresses of health checks and pages.
 */
export function rejectUnknownParameters(app: App): void {
  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith('/v1/')) return;
    route.schema = { ...route.schema, querystring: route.schema?.querystring ?? NO_PARAMETERS };
  });
}
