/** For a loop that looks every so often, and at once where somebody knows that there is something to see. */

export interface Bell {
  /** Ends the pause; where there is none, the next one. */
  ring(): void;
  /** Rings so far end no pause any more: the look that begins now sees what they were for. */
  forget(): void;
  /** Until it rings, `ms` have passed or the signal aborts. Never rejects; one at a time. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export function createBell(): Bell {
  let hasRung = false;
  let end: () => void = () => undefined;
  return {
    ring: () => {
      hasRung = true;
      end();
    },
    forget: () => {
      hasRung = false;
    },
    pause: (ms, signal) =>
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
