/** Not waiting for ever: BullMQ waits without limit wherever its backend is silent. */
import { setTimeout as wait } from 'node:timers/promises';

/** What `start` promises, or an error after `limitMs` or when `signal` aborts. The work itself may still happen later. */
export async function within<T>(
  what: string,
  limitMs: number,
  start: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  const work = start();
  return await new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', leave);
    };
    const give = (error: unknown) => {
      end();
      reject(error);
    };
    const leave = () => give(signal?.reason);
    const timer = setTimeout(() => give(new Error(`${what}: no answer within ${limitMs} ms`)), limitMs);
    signal?.addEventListener('abort', leave, { once: true });
    // It may fail after we left: then nobody hears of it.
    work.finally(end).then(resolve, reject);
  });
}

/** Whether `work` ended, well or not, within `limitMs`. Never throws. */
export async function endsWithin(
  limitMs: number,
  work: Promise<unknown>,
  signal?: AbortSignal,
): Promise<boolean> {
  const ended = new AbortController();
  const until = signal ? AbortSignal.any([ended.signal, signal]) : ended.signal;
  const timeout = wait(limitMs, false, { signal: until }).catch(() => false);
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => true,
      ),
      timeout,
    ]);
  } finally {
    ended.abort();
  }
}

const REBUILD_MS = 1_000;

/** What Queue and Worker have in common here. */
interface Startable {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Keeps one working T. BullMQ memoises a failed start: a Queue or Worker whose first contact failed answers that
 * error for ever (a Redis that drops the connection before INFO is answered, a Postgres down at the first query). So
 * one that did not start is thrown away and built again, every second, until one starts.
 */
export function keepStarting<T extends Startable>(build: () => T, report: (error: unknown) => void) {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let current = start();

  function start(): T {
    const started = build();
    started.waitUntilReady().catch((error) => {
      if (stopped) return;
      report(error);
      started.close().catch(report);
      timer = setTimeout(() => {
        current = start();
      }, REBUILD_MS);
    });
    return started;
  }

  return {
    get current() {
      return current;
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
