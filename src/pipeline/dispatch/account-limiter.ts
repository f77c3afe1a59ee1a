/** How many downloads of one account run at once in this process: WeChat answers bursts with a false 40001. */

export interface AccountLimiter {
  /**
   * Waits up to `patienceMs` for a place. Undefined when none came free: the caller puts its media back, so that one
   * slow account does not sit on every worker slot.
   */
  acquire(
    account: string,
    limit: number,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<(() => void) | undefined>;
}

interface Line {
  running: number;
  /** As last asked for: it shrinks when workers join the fleet. */
  limit: number;
  readonly waiting: (() => void)[];
}

export function createAccountLimiter(): AccountLimiter {
  const lines = new Map<string, Line>();

  function leave(account: string, line: Line): void {
    const next = line.running <= line.limit ? line.waiting.shift() : undefined;
    if (next) next();
    else if (--line.running === 0 && line.waiting.length === 0) lines.delete(account);
  }

  return {
    acquire: (account, limit, patienceMs, signal) => {
      const line = lines.get(account) ?? { running: 0, limit, waiting: [] };
      line.limit = limit;
      lines.set(account, line);
      const place = () => {
        let left = false;
        return () => {
          if (!left) leave(account, line);
          left = true;
        };
      };
      if (line.running < limit) {
        line.running++;
        return Promise.resolve(place());
      }
      return new Promise((resolve, reject) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', aborted);
          const index = line.waiting.indexOf(admit);
          if (index >= 0) line.waiting.splice(index, 1);
        };
        const admit = () => {
          done();
          resolve(place());
        };
        const aborted = () => {
          done();
          reject(signal.reason);
        };
        const timer = setTimeout(() => {
          done();
          resolve(undefined);
        }, patienceMs);
        signal.addEventListener('abort', aborted, { once: true });
        line.waiting.push(admit);
      });
    },
  };
}
