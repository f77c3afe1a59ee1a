/** Rejects query parameters that a route does not know: a filter with a misspelt name would match everything. */
import { z } from 'zod';
import type { App } from './route-deps.ts';

const NO_PARAMETERS = z.strictObject({});

/**
 * To be called before the routes and the OpenAPI plugin are registered. Only for /v1: monitors and browsers append
 * parameters of their own to the addresses of health and pages.
 */
export function rejectUnknownParameters(app: App): void {
  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith('/v1/')) return;
    route.schema = { ...route.schema, querystring: route.schema?.querystring ?? NO_PARAMETERS };
  });
}
