/**
 * Load shedding: refuses API requests before callbacks become slow. It limits the delay of the event loop and the
 * number of requests in progress; one key may use half of that number. A refused request gets Retry-After. Requests to
 * /wechat/ are never refused here.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyRequest } from 'fastify';
import type { Ingest } from '../pipeline/ingest/ingest.ts';
import { Problem, sendProblem } from './problem.ts';
import type { App } from './route-deps.ts';

type RequestKind = 'read' | 'write';

/**
 * Reads share ten database connections with the inserts of callbacks: 128 of the slowest reads (0.1 s) delay an insert
 * by little more than a second. References are inserted in batches, so many more may wait, and the batcher limits the
 * memory that they use.
 */
const REQUEST_LIMITS: Readonly<Record<RequestKind, number>> = { read: 128, write: 2_000 };
/**
 * The delay is a mean over a second, so that one long statement of the embedded database does not count as overload.
 */
const LOOP_DELAY_LIMIT_MS = 1_000;
const LOOP_DELAY_WINDOW_MS = 1_000;
const NS_PER_MS = 1e6;
/**
 * The timeout of a GET request. It does not apply to the content of a file, whose transfer may take long, to
 * previews, which have timeouts for each step, and to the feed of events, in which clients wait.
 */
const READ_TIMEOUT_MS = 10_000;

const EXEMPT_ROUTES: ReadonlySet<string> = new Set(['/wechat/:account', '/livez', '/readyz', '/metrics']);
/** Requests that mostly wait, so that they hold no place; the feed has limits of its own. */
const WAITING_ROUTES: ReadonlySet<string> = new Set(['/v1/events']);
const WRITE_ROUTES: ReadonlySet<string> = new Set(['/v1/media', '/v1/media/batch']);
const RETRY = { retryAfterSeconds: 2 };

export interface RequestLimiter {
  /**
   * Returns the function that releases the request. Throws Problem: 429 if the key has too many requests in progress,
   * 503 if all keys together have too many.
   */
  acquire(key: string, kind: RequestKind): () => void;
}

/** `loopDelayMs`: the recent delay of the event loop. */
export function createRequestLimiter(
  loopDelayMs: () => number,
  limits: Readonly<Record<RequestKind, number>> = REQUEST_LIMITS,
): RequestLimiter {
  const active = { read: 0, write: 0 };
  const activeByKey = new Map<string, number>();
  return {
    acquire: (key, kind) => {
      const name = `${kind} ${key}`;
      const ofKey = activeByKey.get(name) ?? 0;
      if (ofKey >= limits[kind] / 2) throw new Problem('too_many_requests', RETRY);
      if (active[kind] >= limits[kind] || loopDelayMs() > LOOP_DELAY_LIMIT_MS)
        throw new Problem('overloaded', RETRY);
      active[kind]++;
      activeByKey.set(name, ofKey + 1);
      let isReleased = false;
      return () => {
        if (isReleased) return;
        isReleased = true;
        active[kind]--;
        const left = (activeByKey.get(name) ?? 1) - 1;
        if (left === 0) activeByKey.delete(name);
        else activeByKey.set(name, left);
      };
    },
  };
}

/** The doctor and the test of alerts are asked for above all when something is down; they work without the catalogue. */
const needsCatalogue = (url: string) =>
  url.startsWith('/v1/') && url !== '/v1/doctor' && url !== '/v1/alerts/test';

/** Measures the mean delay of the event loop over the last second. `close` stops the measurement. */
function watchLoopDelay(): { delayMs(): number; close(): void } {
  const histogram = monitorEventLoopDelay({ resolution: 20 });
  histogram.enable();
  let measuredAtMs = performance.now();
  let meanMs = 0;
  return {
    delayMs: () => {
      if (performance.now() - measuredAtMs > LOOP_DELAY_WINDOW_MS) {
        measuredAtMs = performance.now();
        meanMs = histogram.mean / NS_PER_MS;
        histogram.reset();
      }
      return meanMs;
    },
    close: () => histogram.disable(),
  };
}

/** Must be added after the hook that sets `request.principal`. */
export function addLoadShedding(app: App, deps: { ingest: Pick<Ingest, 'state'> }): void {
  const loop = watchLoopDelay();
  app.addHook('onClose', async () => loop.close());
  const limiter = createRequestLimiter(loop.delayMs);
  const releases = new WeakMap<FastifyRequest, () => void>();

  app.addHook('onRoute', (route) => {
    const isRead = [route.method].flat().includes('GET');
    if (isRead && route.url.startsWith('/v1/') && !/\/(?:content|preview|events)$/.test(route.url))
      route.handlerTimeout = READ_TIMEOUT_MS;
  });
  app.addHook('onRequest', async (request, reply) => {
    const { url = '' } = request.routeOptions;
    if (EXEMPT_ROUTES.has(url) || reply.sent) return;
    const isWrite = request.method === 'POST' && WRITE_ROUTES.has(url);
    try {
      // Refused at once while the database is known to be down, because the request would wait for a connection of the
      // pool.
      if (!isWrite && needsCatalogue(url) && deps.ingest.state.isDatabaseDown)
        throw new Problem('database_away', { retryAfterSeconds: 5 });
      if (WAITING_ROUTES.has(url)) return;
      const key = (request.principal as { name: string } | undefined)?.name ?? '';
      releases.set(request, limiter.acquire(key, isWrite ? 'write' : 'read'));
    } catch (error) {
      // Sent here, because a plugin's own error handler would turn it into a 500.
      if (!(error instanceof Problem)) throw error;
      await sendProblem(request, reply, error);
    }
  });
  // From onSend on the request waits only for the client.
  app.addHook('onSend', async (request) => releases.get(request)?.());
  app.addHook('onResponse', async (request) => releases.get(request)?.());
}
