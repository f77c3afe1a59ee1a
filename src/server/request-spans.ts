/** Spans of requests, by the conventions for HTTP servers: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
import type { FastifyRequest } from 'fastify';
import { ATTRIBUTES as A } from '../runtime/tracing/attributes.ts';
import type { Tracer } from '../runtime/tracing/tracer.ts';
import { readTraceparent } from '../traceparent.ts';
import type { App } from './route-deps.ts';

/** Where media items are accepted. */
const ACCEPTING: ReadonlySet<string> = new Set(['/wechat/:account', '/v1/media', '/v1/media/batch']);
const FIRST_SERVER_ERROR = 500;

/**
 * Makes a span for each request that accepts media items, and for any other API request that belongs to a trace of its
 * client: the requests of dashboards and monitors would hide the rest. To be called before the routes are registered.
 * Requests that are refused before their body is read (signature, key, load) have no span.
 */
export function addRequestSpans(app: App, tracer: Tracer | undefined): void {
  if (!tracer?.isOn) return;
  // After the body was read: its events do not keep the active span.
  app.addHook('preHandler', (request, reply, done) => {
    const route = (request.routeOptions.url ?? '').replace(/(.)\/$/, '$1');
    const parent = readTraceparent(request.headers.traceparent);
    const isAccepting = request.method === 'POST' && ACCEPTING.has(route);
    if (!isAccepting && !(parent && route.startsWith('/v1/'))) return done();
    const span = tracer.start({
      name: `${request.method} ${route}`,
      kind: 'server',
      parent,
      attributes: {
        [A.httpMethod]: request.method,
        [A.httpRoute]: route,
        [A.urlScheme]: request.protocol,
        [A.urlPath]: pathOf(request),
      },
      startedAt: new Date(Date.now() - reply.elapsedTime),
    });
    reply.raw.once('close', () => {
      const { statusCode } = reply.raw;
      span.set({ [A.httpStatus]: statusCode });
      if (statusCode >= FIRST_SERVER_ERROR) span.fail(String(statusCode));
      span.end();
    });
    tracer.within(span, done);
  });
}

/** Without the query: it has the signature of a callback, or the openId of a search. */
const pathOf = ({ url }: FastifyRequest): string => url.split(/[?#]/, 1)[0] ?? '';
