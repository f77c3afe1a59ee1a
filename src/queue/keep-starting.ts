/** Builds a Queue or Worker of BullMQ again until one has started. */

const REBUILD_MS = 1_000;

/** What a Queue and a Worker have in common here. */
interface Startable {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

export interface KeptStarting<T> {
  readonly current: T;
  stop(): void;
}

/**
 * BullMQ memoizes a failed start: a Queue or Worker whose first contact failed returns that error permanently (a Redis
 * that drops the connection before it responds to INFO, a Postgres that is down at the first query). So one that did
 * not start is closed and built again, once a second, until one starts.
 */
export function keepStarting<T extends Startable>(
  build: () => T,
  report: (error: unknown) => void,
): KeptStarting<T> {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let current = start();

  function start(): T {
    const started = build();
    started.waitUntilReady().catch((error) => {
      if (isStopped) return;
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
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
