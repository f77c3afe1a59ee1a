/** A wait that can be ended early: a loop waits, and code that has work for the loop notifies it. */

export interface WakeSignal {
  /** Ends the wait in progress; if none is in progress, the next wait ends at once. */
  notify(): void;
  /** Discards earlier notifications: the turn that begins now finds the work that they were about. */
  clear(): void;
  /** Resolves when notified, after `ms` milliseconds, or when the signal aborts. Never rejects. One wait at a time. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createWakeSignal(): WakeSignal {
  let isNotified = false;
  let end: () => void = () => undefined;
  return {
    notify: () => {
      isNotified = true;
      end();
    },
    clear: () => {
      isNotified = false;
    },
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          end = () => undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done, { once: true });
        end = done;
        if (isNotified || signal.aborted) done();
      }),
  };
}
