/** Runs work once for all callers that ask for it at the same time. */
import { untilAborted } from '../runtime/timeout.ts';

export interface SharedWork<T> {
  /**
   * Resolves or rejects as the work does, or with the reason of the caller's signal. `work` gets a signal that aborts
   * when every caller has gone.
   */
  join(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
}

interface Running<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  callers: number;
}

export function createSharedWork<T>(): SharedWork<T> {
  const running = new Map<string, Running<T>>();

  function remove(key: string, run: Running<T>): void {
    if (running.get(key) === run) running.delete(key);
  }

  function start(key: string, work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const controller = new AbortController();
    const promise = (async () => work(controller.signal))();
    const run: Running<T> = { promise, controller, callers: 0 };
    running.set(key, run);
    const end = () => remove(key, run);
    promise.then(end, end);
    return run;
  }

  return {
    join: async (key, work, signal) => {
      signal.throwIfAborted();
      const run = running.get(key) ?? start(key, work);
      run.callers++;
      try {
        return await untilAborted(run.promise, signal);
      } finally {
        run.callers--;
        if (run.callers === 0) {
          // A later caller must not join work that is being given up.
          remove(key, run);
          run.controller.abort(new Error('every caller has gone'));
        }
      }
    },
  };
}
