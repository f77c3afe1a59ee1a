/** The HTTP server, built but not listening: plugins, error answers, and the rooms of routes. */
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Parts } from '../assembly/parts.ts';
import { DatabaseAwayError } from '../catalogue/database.ts';
import { FailureError } from '../failures.ts';
import { OverloadedError, UnknownAccountError } from '../pipeline/accept.ts';
import { scrub } from '../secrets.ts';
import type { Access } from './access.ts';
import { type FieldError, Problem, type ProblemCode, sendProblem } from './problem.ts';
import { accountRoutes } from './routes/accounts.ts';
import { contentRoutes } from './routes/content.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { documentation } from './routes/docs.ts';
import { healthRoutes } from './routes/health.ts';
import { loginRoutes } from './routes/login.ts';
import { mediaRoutes } from './routes/media.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { pageRoutes } from './routes/page.ts';
import { queueRoutes } from './routes/queues.ts';
import { statsRoutes } from './routes/stats.ts';
import { webhookRoutes } from './routes/webhook.ts';

export interface ServerDeps
  extends Pick<
    Parts,
    | 'accept'
    | 'accounts'
    | 'catalogue'
    | 'clock'
    | 'config'
    | 'lifetimes'
    | 'log'
    | 'metrics'
    | 'queue'
    | 'store'
    | 'shutdown'
  > {
  access: Access;
}

export type App = FastifyInstance<
  import('node:http').Server,
  import('node:http').IncomingMessage,
  import('node:http').ServerResponse,
  import('fastify').FastifyBaseLogger,
  ZodTypeProvider
>;

const API_BODY_BYTES = 1024 * 1024;
/** WeChat cuts after 5 s; a slow client gets a little more than that for its whole request. */
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;

function createApp(deps: ServerDeps): App {
  const app = Fastify({
    logger: false,
    bodyLimit: API_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    trustProxy: false,
    routerOptions: { maxParamLength: 512 },
    forceCloseConnections: 'idle',
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, new Problem('not_found')));
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error as FastifyError);
    if (problem.code === 'internal') {
      deps.log.error({ err: error, method: request.method, url: scrub(request.url) }, 'a request failed');
    }
    return sendProblem(request, reply, problem);
  });
  return app as unknown as App;
}

/** Every error has its problem; what nobody thought of is `internal` and says nothing of its inside. */
function problemOf(error: FastifyError): Problem {
  if (error instanceof Problem) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map(
      ({ instancePath, message }): FieldError => ({
        field: instancePath.replace(/^\//, '').replaceAll('/', '.') || '(body)',
        message: message ?? 'is not valid',
      }),
    );
    return new Problem('invalid_request', { errors });
  }
  if (error instanceof UnknownAccountError) return new Problem('unknown_account', { detail: error.message });
  if (error instanceof OverloadedError) return new Problem('overloaded', { retryAfterSeconds: 5 });
  if (error instanceof DatabaseAwayError) return new Problem('database_away', { retryAfterSeconds: 5 });
  if (error instanceof FailureError && error.failure.code === 'disk_full') {
    return new Problem('database_away', { retryAfterSeconds: 60, detail: 'the disk of DATA_DIR is full' });
  }
  if (error instanceof FailureError && error.failure.class === 'store') {
    return new Problem('store_unavailable', { retryAfterSeconds: 5 });
  }
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
  if (error.statusCode && error.statusCode >= 400 && error.statusCode < 500) {
    return new Problem('invalid_request', { detail: 'the request could not be read' });
  }
  return new Problem('internal');
}

/** Everything: callbacks, API, health, metrics, Bull Board, the page. */
export async function buildServer(deps: ServerDeps): Promise<App> {
  const app = createApp(deps);
  await app.register(cookie);
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        // Media come from the store's signed links, wherever the store is.
        imgSrc: ["'self'", 'data:', 'http:', 'https:'],
        mediaSrc: ["'self'", 'http:', 'https:'],
        connectSrc: ["'self'"],
        fontSrc: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    // Behind a proxy TLS is the proxy's; over plain http on one's own machine HSTS would lock people out.
    hsts: false,
    crossOriginResourcePolicy: { policy: 'same-origin' },
    referrerPolicy: { policy: 'no-referrer' },
  });
  await documentation(app);
  app.register(webhookRoutes(deps));
  app.register(healthRoutes(deps));
  app.register(loginRoutes(deps));
  app.register(mediaRoutes(deps));
  app.register(contentRoutes(deps));
  app.register(deadLetterRoutes(deps));
  app.register(statsRoutes(deps));
  app.register(accountRoutes(deps));
  app.register(metricsRoutes(deps));
  app.register(queueRoutes(deps));
  app.register(pageRoutes(deps));
  await app.ready();
  return app;
}

/** CALLBACK_PORT: answers /wechat/ alone, to be the only port the Internet reaches. */
export async function buildCallbackServer(deps: ServerDeps): Promise<App> {
  const app = createApp(deps);
  app.register(webhookRoutes(deps));
  await app.ready();
  return app;
}
