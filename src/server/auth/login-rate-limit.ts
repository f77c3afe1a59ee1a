/** Wrong keys, cookies and login links, counted by the client's address. Of one process, bounded. */
import type { Clock } from '../../runtime/clock.ts';

export interface LoginRateLimit {
  /**
   * Counts a wrong guess. Returns for how many seconds the address hears no more than 429; 0: it may know that the
   * guess was wrong. What is right is never counted and never refused.
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
      // A window further away than a whole one was written by a clock that has been set back since.
      const isCurrent = known && known.endsAtMs > nowMs && known.endsAtMs <= nowMs + WINDOW_MS;
      const window = isCurrent ? known : { endsAtMs: nowMs + WINDOW_MS, failures: 0 };
      window.failures++;
      windows.delete(address);
      windows.set(address, window);
      // Oldest first: a Map keeps the order of insertion.
      for (const oldest of windows.keys()) {
        if (windows.size <= ADDRESS_LIMIT) break;
        windows.delete(oldest);
      }
      return window.failures > FAILURE_LIMIT ? Math.ceil((window.endsAtMs - nowMs) / 1000) : 0;
    },
  };
}
