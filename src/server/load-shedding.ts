/**
 * The API gives way before callbacks feel it: a bound on requests at once, half of it for one key, and on how late
 * the event loop is. Whoever is turned away hears when to come back. /wechat/* is never turned away here.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyRequest } from 'fastify';
import type { Ingest } from '../pipeline/ingest/ingest.ts';
import { Problem, sendProblem } from './problem.ts';
import type { App } from './route-deps.ts';

/**
 * Reads share ten connections with the callbacks' rows: 128 of the slowest (0.1 s) keep those waiting for little more
 * than a second. References are written in groups, so many more may wait, and what they hold is bounded by accept.
 */
const PLACES = { read: 128, write: 2_000 } as const;
/** On average over a second, so that a single long statement of the embedded database is no overload. */
const LATE_MS = 1_000;
const LOOK_EVERY_MS = 1_000;
const NS_PER_MS = 1e6;
/** A GET is answered within this or not at all; not the content of a file, which may be long on its way. */
const READ_MS = 10_000;

const FREE: ReadonlySet<string> = new Set(['/wechat/:account', '/livez', '/readyz', '/metrics']);
const WRITES: ReadonlySet<string> = new Set(['/v1/media', '/v1/media/batch']);
const AGAIN = { retryAfterSeconds: 2 };

export interface RequestLimiter {
  /** Takes a place and answers how to leave it. Throws Problem: 429 for a key that takes too much, 503 for all. */
  acquire(key: string, kind: keyof typeof PLACES): () => void;
}

/** `loopDelayMs`: how late the event loop has been of late. */
export function createRequestLimiter(
  loopDelayMs: () => number,
  places: Readonly<Record<keyof typeof PLACES, number>> = PLACES,
): RequestLimiter {
  const taken = { read: 0, write: 0 };
  const byKey = new Map<string, number>();
  return {
    acquire: (key, kind) => {
      const name = `${kind} ${key}`;
      const own = byKey.get(name) ?? 0;
      if (own >= places[kind] / 2) throw new Problem('too_many_requests', AGAIN);
      if (taken[kind] >= places[kind] || loopDelayMs() > LATE_MS) throw new Problem('overloaded', AGAIN);
      taken[kind]++;
      byKey.set(name, own + 1);
      let hasLeft = false;
      return () => {
        if (hasLeft) return;
        hasLeft = true;
        taken[kind]--;
        const left = (byKey.get(name) ?? 1) - 1;
        if (left === 0) byKey.delete(name);
        else byKey.set(name, left);
      };
    },
  };
}

/** The mean of the last second; `close` lets the process end. */
function watchLoop(): { delayMs(): number; close(): void } {
  const histogram = monitorEventLoopDelay({ resolution: 20 });
  histogram.enable();
  let lookedAtMs = performance.now();
  let meanMs = 0;
  return {
    delayMs: () => {
      if (performance.now() - lookedAtMs > LOOK_EVERY_MS) {
        lookedAtMs = performance.now();
        meanMs = histogram.mean / NS_PER_MS;
        histogram.reset();
      }
      return meanMs;
    },
    close: () => histogram.disable(),
  };
}

/** To be added after whoever asks is known. */
export function addLoadShedding(app: App, deps: { intake: Pick<Ingest, 'state'> }): void {
  const loop = watchLoop();
  app.addHook('onClose', async () => loop.close());
  const places = createRequestLimiter(loop.delayMs);
  const leave = new WeakMap<FastifyRequest, () => void>();

  app.addHook('onRoute', (route) => {
    const isRead = [route.method].flat().includes('GET');
    if (isRead && route.url.startsWith('/v1/') && !route.url.endsWith('/content'))
      route.handlerTimeout = READ_MS;
  });
  app.addHook('onRequest', async (request, reply) => {
    const { url = '' } = request.routeOptions;
    if (FREE.has(url) || reply.sent) return;
    const isWrite = request.method === 'POST' && WRITES.has(url);
    try {
      // Known to be away: the pool would keep the request for as long as it has patience.
      if (!isWrite && url.startsWith('/v1/') && deps.intake.state.isDatabaseDown)
        throw new Problem('database_away', { retryAfterSeconds: 5 });
      const key = (request.principal as { name: string } | undefined)?.name ?? '';
      leave.set(request, places.acquire(key, isWrite ? 'write' : 'read'));
    } catch (error) {
      // Answered here, because a plugin's own error handler would make a 500 of it.
      if (!(error instanceof Problem)) throw error;
      await sendProblem(request, reply, error);
    }
  });
  // What is sent from here on waits for the client alone.
  app.addHook('onSend', async (request) => leave.get(request)?.());
  app.addHook('onResponse', async (request) => leave.get(request)?.());
}
