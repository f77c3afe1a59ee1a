/**
 * The login rate limit. Counts wrong keys, cookies and login links by client address, in the memory of each process.
 */
import type { Clock } from '../../runtime/clock.ts';

export interface LoginRateLimit {
  /**
   * Counts a wrong credential. Returns the number of seconds for which failures from this address get 429; 0: the
   * client may learn that the credential was wrong. Valid credentials are never counted and never refused.
   */
  countFailure(address: string): number;
}

const FAILURE_LIMIT = 10;
const WINDOW_MS = 60_000;
export const ADDRESS_LIMIT = 10_000;

export function createLoginRateLimit(clock: Pick<Clock, 'now'>): LoginRateLimit & { readonly size: number } {
  const windows = new Map<string, { endsAtMs: number; failures: number }>();
  return {
    get size() {
      return windows.size;
    },
    countFailure: (address) => {
      const nowMs = clock.now().getTime();
      const known = windows.get(address);
      // If a window ends more than WINDOW_MS from now, it was opened before the clock was set back.
      const isCurrent = known && known.endsAtMs > nowMs && known.endsAtMs <= nowMs + WINDOW_MS;
      const window = isCurrent ? known : { endsAtMs: nowMs + WINDOW_MS, failures: 0 };
      window.failures++;
      windows.delete(address);
      windows.set(address, window);
      // Removes the oldest windows first: a Map iterates in the order of insertion.
      for (const oldest of windows.keys()) {
        if (windows.size <= ADDRESS_LIMIT) break;
        windows.delete(oldest);
      }
      return window.failures > FAILURE_LIMIT ? Math.ceil((window.endsAtMs - nowMs) / 1000) : 0;
    },
  };
}
