/** A counting limiter: limits how many operations run at once, separately for each key. */

/** Releases what was acquired. A second call does nothing. */
export type Release = () => void;

export interface AcquireOptions {
  /** How many may run at once. It may differ between calls; the latest value is used. */
  readonly limit: number;
  /** How long to wait, in milliseconds. */
  readonly waitMs: number;
}

export interface Limiter {
  /**
   * Resolves with the release function, in the order of the calls, or with undefined if the limit was not free within
   * `waitMs`. Rejects with the signal's reason when it aborts.
   */
  acquire(key: string, options: AcquireOptions, signal: AbortSignal): Promise<Release | undefined>;
}

interface KeyState {
  running: number;
  limit: number;
  readonly waiting: (() => void)[];
}

export function createLimiter(): Limiter {
  const states = new Map<string, KeyState>();

  function releaseOne(key: string, state: KeyState): void {
    const next = state.running <= state.limit ? state.waiting.shift() : undefined;
    if (next) next();
    else if (--state.running === 0 && state.waiting.length === 0) states.delete(key);
  }

  function releaseOf(key: string, state: KeyState): Release {
    let isReleased = false;
    return () => {
      if (!isReleased) releaseOne(key, state);
      isReleased = true;
    };
  }

  return {
    acquire: (key, { limit, waitMs }, signal) => {
      const state = states.get(key) ?? { running: 0, limit, waiting: [] };
      state.limit = limit;
      states.set(key, state);
      if (state.running < limit) {
        state.running++;
        return Promise.resolve(releaseOf(key, state));
      }
      return new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
          const index = state.waiting.indexOf(admit);
          if (index >= 0) state.waiting.splice(index, 1);
        };
        const admit = () => {
          end();
          resolve(releaseOf(key, state));
        };
        const abort = () => {
          end();
          reject(signal.reason);
        };
        const timer = setTimeout(() => {
          end();
          resolve(undefined);
        }, waitMs);
        signal.addEventListener('abort', abort, { once: true });
        state.waiting.push(admit);
      });
    },
  };
}
