/** For a loop that looks every so often, and at once where somebody knows that there is something to see. */

export interface WakeSignal {
  /** Ends the pause; where there is none, the next one. */
  notify(): void;
  /** Rings so far end no pause any more: the look that begins now sees what they were for. */
  clear(): void;
  /** Until it rings, `ms` have passed or the signal aborts. Never rejects; one at a time. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createWakeSignal(): WakeSignal {
  let hasRung = false;
  let end: () => void = () => undefined;
  return {
    notify: () => {
      hasRung = true;
      end();
    },
    clear: () => {
      hasRung = false;
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
        if (hasRung || signal.aborted) done();
      }),
  };
}
