/**
 * /dashboard/changes: a stream of hints that something has changed, for open pages of the dashboard. A hint holds no data:
 * the page is then fetched again, with the rights of its key. One small query a second serves all browsers, and none is
 * sent while no page is open.
 */
import { PassThrough } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import { Problem } from '../problem.ts';
import type { App, RouteDeps } from '../route-deps.ts';

const LOOK_MS = 1_000;
/** How often a silent stream gets a line, and its session is checked again. Proxies end streams that are silent. */
const KEEP_ALIVE_MS = 15_000;
/** A key bound to accounts gets a hint at this interval: the mark would tell it of changes in other accounts. */
const BLIND_HINT_MS = 5_000;
const STREAMS_PER_SERVER = 200;
const STREAMS_PER_KEY = 40;

interface Listener {
  readonly stream: PassThrough;
  readonly request: FastifyRequest;
  readonly key: string;
  readonly isBound: boolean;
  hintedAtMs: number;
  checkedAtMs: number;
}

export type ChangeStreamDeps = Pick<
  RouteDeps,
  'access' | 'catalogue' | 'log' | 'metrics' | 'runChecks' | 'shutdown'
>;

export function changeStreamRoutes(deps: ChangeStreamDeps) {
  const listeners = new Set<Listener>();
  let mark: string | undefined;
  /** Ends the loop; undefined: no page is open. */
  let running: AbortController | undefined;

  const write = (listener: Listener, text: string) => {
    // A client that does not read gets no more hints, so that nothing collects here.
    if (listener.stream.writableLength === 0) listener.stream.write(text);
  };

  async function readMark(): Promise<string> {
    const { found } = await deps.runChecks();
    const state = found.map(({ code, target, count }) => `${code}/${target}/${count}`).join(' ');
    // While the catalogue is unavailable the findings say so; asking it would only wait.
    const isAway = found.some(({ code }) => code === 'catalogue_away');
    return `${state} ${isAway ? '' : await deps.catalogue.changeMark.read()}`;
  }

  async function checkSession(listener: Listener): Promise<void> {
    try {
      await deps.access.authorize(listener.request, { scope: 'read', accountScoped: true });
      write(listener, ':\n\n');
    } catch (error) {
      // While the catalogue is unavailable, sessions cannot be checked; they have not ended.
      if (error instanceof Problem && error.code === 'database_away') return write(listener, ':\n\n');
      listener.stream.end('event: ended\ndata:\n\n');
    }
  }

  async function look(): Promise<void> {
    const before = mark;
    mark = await readMark();
    const nowMs = performance.now();
    const checks: Promise<void>[] = [];
    for (const listener of listeners) {
      const isDue = listener.isBound ? nowMs - listener.hintedAtMs >= BLIND_HINT_MS : mark !== before;
      if (isDue) {
        listener.hintedAtMs = nowMs;
        write(listener, 'event: change\ndata:\n\n');
      }
      if (nowMs - listener.checkedAtMs >= KEEP_ALIVE_MS) {
        listener.checkedAtMs = nowMs;
        checks.push(checkSession(listener));
      }
    }
    await Promise.all(checks);
  }

  const loop = createPollLoop({
    name: 'dashboard-changes',
    everyMs: LOOK_MS,
    log: deps.log,
    metrics: deps.metrics,
    work: look,
  });

  function add(request: FastifyRequest): PassThrough {
    const { name: key, accounts } = request.principal;
    const ofKey = [...listeners].filter((listener) => listener.key === key).length;
    if (listeners.size >= STREAMS_PER_SERVER || ofKey >= STREAMS_PER_KEY)
      throw new Problem('too_many_requests', { retryAfterSeconds: 30 });
    const stream = new PassThrough();
    const nowMs = performance.now();
    const isBound = accounts !== undefined;
    const listener: Listener = { stream, request, key, isBound, hintedAtMs: nowMs, checkedAtMs: nowMs };
    listeners.add(listener);
    stream.on('close', () => {
      listeners.delete(listener);
      if (listeners.size > 0) return;
      running?.abort();
      running = undefined;
    });
    stream.write('retry: 2000\n\n');
    if (!running) {
      running = new AbortController();
      void loop.run(AbortSignal.any([running.signal, deps.shutdown.signal]));
    }
    return stream;
  }

  return async (app: App): Promise<void> => {
    // At shutdown the server waits for open responses, so these end first.
    deps.shutdown.signal.addEventListener('abort', () => {
      for (const { stream } of listeners) stream.end();
    });
    app.get(
      '/dashboard/changes',
      { config: { scope: 'read', accountScoped: true }, schema: { hide: true } },
      (request, reply) =>
        reply
          .type('text/event-stream; charset=utf-8')
          // nginx buffers responses otherwise.
          .header('x-accel-buffering', 'no')
          .header('cache-control', 'no-store')
          .send(add(request)),
    );
  };
}
