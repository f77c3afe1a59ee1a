/** Builds the HTTP server with its plugins, error responses and routes. It does not listen yet. */
import cookie from '@fastify/cookie';
import helmet, { type FastifyHelmetOptions } from '@fastify/helmet';
import Fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { DatabaseUnavailableError } from '../catalogue/database/database.ts';
import { FailureError } from '../failures.ts';
import { createExporter } from '../pipeline/export/exporter.ts';
import { OverloadedError, UnknownAccountError } from '../pipeline/ingest/insert-batcher.ts';
import { LISTENER_LIMITS, limitConnections, timeoutsOf } from '../runtime/network/server-limits.ts';
import { redact } from '../runtime/redaction.ts';
import { isStoreRefusal } from '../store-failures.ts';
import { dashboardRoutes } from './dashboard/routes.ts';
import { addHttpMetrics } from './http-metrics.ts';
import { addLoadShedding } from './load-shedding.ts';
import { registerOpenApi } from './openapi/document.ts';
import { Problem, sendProblem } from './problem.ts';
import type { ProblemCode } from './problem-table.ts';
import { addRequestSpans } from './request-spans.ts';
import type { App, RouteDeps } from './route-deps.ts';
import { callbackRoutes } from './routes/callback.ts';
import { deadLetterRoutes } from './routes/dead-letters/dead-letters.ts';
import { redriveRoutes } from './routes/dead-letters/redrives.ts';
import { eventRoutes } from './routes/events/events.ts';
import { webhookDocs } from './routes/events/webhook-docs.ts';
import { healthRoutes } from './routes/health.ts';
import { contentRoutes } from './routes/media/content.ts';
import { erasureRoutes } from './routes/media/erasures.ts';
import { exportRoutes } from './routes/media/exports.ts';
import { linkRoutes } from './routes/media/links.ts';
import { mediaRoutes } from './routes/media/media.ts';
import { previewRoutes } from './routes/media/preview.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { accountCheckRoutes } from './routes/operations/account-check.ts';
import { accountRoutes } from './routes/operations/accounts.ts';
import { acknowledgementRoutes } from './routes/operations/acknowledgements.ts';
import { alertRoutes } from './routes/operations/alerts.ts';
import { auditLogRoutes } from './routes/operations/audit-log.ts';
import { doctorRoutes } from './routes/operations/doctor.ts';
import { historyRoutes } from './routes/operations/history.ts';
import { processRoutes } from './routes/operations/processes.ts';
import { settingsRoutes } from './routes/operations/settings.ts';
import { statsRoutes } from './routes/operations/stats.ts';
import { storeRoutes } from './routes/operations/store.ts';
import { verificationRoutes } from './routes/operations/verifications.ts';
import { apiDocRoutes } from './routes/pages/api-docs.ts';
import { loginRoutes } from './routes/pages/login.ts';
import { loginLinkRoutes } from './routes/pages/login-links.ts';
import { problemRoutes } from './routes/pages/problems.ts';
import { queueBoardRoutes } from './routes/pages/queue-board.ts';
import { webhookActRoutes } from './routes/webhooks/acts.ts';
import { webhookRoutes } from './routes/webhooks/endpoints.ts';
import { rejectUnknownParameters } from './unknown-parameters.ts';
import { compileValidator, fieldErrorsOfRequest, InvalidInputError } from './validation.ts';

const API_BODY_BYTES = 1024 * 1024;

function createApp(deps: RouteDeps): App {
  const { limits = LISTENER_LIMITS } = deps;
  const app = Fastify({
    logger: false,
    bodyLimit: API_BODY_BYTES,
    http: timeoutsOf(limits),
    // Fastify sets these on the server itself and overrides Node's options.
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionTimeout: limits.silentMs,
    trustProxy: deps.config.http.trustedProxies.length > 0 ? [...deps.config.http.trustedProxies] : false,
    routerOptions: { maxParamLength: 512 },
    forceCloseConnections: 'idle',
    ...(deps.listener ? { serverFactory: deps.listener.attach } : {}),
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, problemOf(error, request)),
  }).withTypeProvider<ZodTypeProvider>();
  if (!deps.listener) limitConnections(app.server, limits.connections);
  addHttpMetrics(app as unknown as App, deps.metrics);
  app.setValidatorCompiler(compileValidator);
  // Response schemas are only documentation, which the tests verify. Validating our own rows here would cost time.
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error as FastifyError, request);
    if (problem.code === 'database_away') deps.ingest.suspect();
    if (problem.code === 'internal') {
      const { method, routeOptions, url } = request;
      const key = `request ${method} ${routeOptions.url} ${(error as FastifyError).code}`;
      deps.repeatedLog.write(
        'error',
        key,
        { err: error, method, url: redact(url) },
        'server: request failed',
      );
    }
    return sendProblem(request, reply, problem);
  });
  addRequestSpans(app as unknown as App, deps.tracer);
  return app as unknown as App;
}

const notFound = (request: FastifyRequest, reply: FastifyReply) =>
  sendProblem(request, reply, new Problem('not_found'));

/** Returns the problem for an error that a route threw; `internal`, without details, for an unknown kind of error. */
function problemOf(error: FastifyError, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof InvalidInputError)
    return new Problem('invalid_request', { errors: fieldErrorsOfRequest(error, request) });
  if (error instanceof UnknownAccountError) return new Problem('unknown_account', { detail: error.message });
  if (error instanceof OverloadedError) return new Problem('overloaded', { retryAfterSeconds: 5 });
  if (error instanceof DatabaseUnavailableError)
    return new Problem('database_away', { retryAfterSeconds: 5 });
  if (error instanceof FailureError && error.failure.code === 'disk_full') {
    return new Problem('database_away', { retryAfterSeconds: 60, detail: 'the disk of DATA_DIR is full' });
  }
  if (error instanceof FailureError && error.failure.class === 'store') {
    const { code, detail } = error.failure;
    return isStoreRefusal(code)
      ? new Problem('store_refused', { more: { failure: { code, ...(detail ? { detail } : {}) } } })
      : new Problem('store_unavailable', { retryAfterSeconds: 5 });
  }
  if (error.code === 'FST_ERR_HANDLER_TIMEOUT') return new Problem('database_away', { retryAfterSeconds: 5 });
  const byCode: Readonly<Record<string, ProblemCode>> = {
    FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
    FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_type',
    FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_request',
    FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_request',
    FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
    FST_ERR_BAD_URL: 'invalid_request',
  };
  const code = byCode[error.code];
  if (code) return new Problem(code, { detail: error.message });
  // SQLSTATE class 22, data exception: a value that passed the schema but fits no column.
  if (/^22[0-9A-Z]{3}$/.test(error.code ?? '')) {
    return new Problem('invalid_request', { detail: 'a value is outside the range of its field' });
  }
  if (error.statusCode && error.statusCode >= 400 && error.statusCode < 500) {
    return new Problem('invalid_request', { detail: 'the request could not be read' });
  }
  return new Problem('internal');
}

/** Builds the whole server: callbacks, API, health, metrics, Bull Board, dashboard. */
export async function buildServer(deps: RouteDeps): Promise<App> {
  const app = createApp(deps);
  rejectUnknownParameters(app);
  await registerOpenApi(app, webhookDocs);
  app.decorateRequest('principal');
  // Registered outside the scope of the other routes, so without their hooks: WeChat has neither a browser nor a key,
  // and calls often.
  await app.register(callbackRoutes(deps));
  await app.register((scope) => addKeyedRoutes(scope, deps));
  await app.ready();
  return app;
}

/** Adds the routes for browsers and API keys, with authorization, security headers and load shedding. */
async function addKeyedRoutes(app: App, deps: RouteDeps): Promise<void> {
  app.setNotFoundHandler(notFound);
  await app.register(cookie);
  await app.register(helmet, securityHeaders(await storeOrigin(deps)));
  app.addHook('onRequest', async (request, reply) => {
    const { scope = 'admin', accountScoped } = request.routeOptions.config;
    if (scope === 'open' || request.is404) return;
    try {
      request.principal = await deps.access.authorize(request, { scope, accountScoped });
    } catch (error) {
      // Sent here, because a plugin's own error handler would turn it into a 500.
      if (!(error instanceof Problem)) throw error;
      await sendProblem(request, reply, error);
    }
  });
  addLoadShedding(app, deps);
  app.addHook('onSend', async (request, reply) => {
    // What an operator has just released or acknowledged must not be on the page that follows. Not for the other scopes:
    // producers send so many requests that the checks would run with each.
    if (request.method !== 'GET' && request.routeOptions.config.scope === 'admin') deps.forgetChecks();
    // Responses differ by key, language and time; routes whose responses may be cached set the header themselves.
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  await apiDocRoutes(app);
  const plugins = [
    healthRoutes,
    problemRoutes,
    loginRoutes,
    loginLinkRoutes,
    mediaRoutes,
    contentRoutes,
    linkRoutes,
    previewRoutes,
    eventRoutes,
    erasureRoutes,
    exportRoutes,
    deadLetterRoutes,
    redriveRoutes,
    acknowledgementRoutes,
    auditLogRoutes,
    historyRoutes,
    processRoutes,
    statsRoutes,
    settingsRoutes,
    storeRoutes,
    accountRoutes,
    accountCheckRoutes,
    alertRoutes,
    verificationRoutes,
    webhookRoutes,
    webhookActRoutes,
    doctorRoutes,
    metricsRoutes,
    queueBoardRoutes,
    dashboardRoutes,
  ];
  // One for all routes: it limits the exports of the process.
  const withExporter = { ...deps, exporter: createExporter(deps) };
  for (const plugin of plugins) await app.register(plugin(withExporter));
}

/**
 * Resolves with the origin from which browsers load pictures and sound. It is read from a signed link, so that it is
 * correct for path-style and for virtual-hosted addresses.
 */
async function storeOrigin(deps: Pick<RouteDeps, 'clock' | 'store'>): Promise<string> {
  const { url } = await deps.store.link('any', { now: deps.clock.now(), ttlMs: 60_000 });
  return new URL(url).origin;
}

function securityHeaders(mediaOrigin: string): FastifyHelmetOptions {
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:', mediaOrigin],
        mediaSrc: ["'self'", mediaOrigin],
        connectSrc: ["'self'"],
        fontSrc: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    // TLS ends at the proxy, which may set HSTS. On localhost over plain http, HSTS would lock users out.
    hsts: false,
    // Over plain http, browsers ignore this header and log a warning in the console.
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    crossOriginResourcePolicy: { policy: 'same-origin' },
    // Not no-referrer: with it, the Origin of a form would be null, which counts as a page of another site.
    referrerPolicy: { policy: 'same-origin' },
  };
}

/**
 * Builds the server of CALLBACK_PORT. It serves only /wechat/, so that only this port need be reachable from the
 * Internet.
 */
export async function buildCallbackServer(deps: RouteDeps): Promise<App> {
  const app = createApp(deps);
  app.setNotFoundHandler(notFound);
  app.register(callbackRoutes(deps));
  await app.ready();
  return app;
}
