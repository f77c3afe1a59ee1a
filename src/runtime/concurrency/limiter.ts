/** A counting limiter: at most so many at once, separately for each key. */

/** Gives the place back. Calling it again does nothing. */
export type Release = () => void;

export interface AcquireOptions {
  /** At most so many at once. It may differ from call to call; the latest one counts. */
  readonly limit: number;
  /** How long to wait for a place, in milliseconds. */
  readonly waitMs: number;
}

export interface Limiter {
  /**
   * Resolves with the release of a place, in the order of the calls, or with undefined when none came free within
   * `waitMs`. Rejects with the signal's reason when it aborts.
   */
  acquire(key: string, options: AcquireOptions, signal: AbortSignal): Promise<Release | undefined>;
}

interface Line {
  running: number;
  limit: number;
  readonly waiting: (() => void)[];
}

export function createLimiter(): Limiter {
  const lines = new Map<string, Line>();

  function giveBack(key: string, line: Line): void {
    const next = line.running <= line.limit ? line.waiting.shift() : undefined;
    if (next) next();
    else if (--line.running === 0 && line.waiting.length === 0) lines.delete(key);
  }

  function releaseOf(key: string, line: Line): Release {
    let isReleased = false;
    return () => {
      if (!isReleased) giveBack(key, line);
      isReleased = true;
    };
  }

  return {
    acquire: (key, { limit, waitMs }, signal) => {
      const line = lines.get(key) ?? { running: 0, limit, waiting: [] };
      line.limit = limit;
      lines.set(key, line);
      if (line.running < limit) {
        line.running++;
        return Promise.resolve(releaseOf(key, line));
      }
      return new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
          const index = line.waiting.indexOf(admit);
          if (index >= 0) line.waiting.splice(index, 1);
        };
        const admit = () => {
          end();
          resolve(releaseOf(key, line));
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
        line.waiting.push(admit);
      });
    },
  };
}
