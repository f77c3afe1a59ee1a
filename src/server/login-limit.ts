/** Guessing is slow: after some wrong keys in a minute an address has to wait. Of one process, bounded. */
import type { Clock } from '../clock.ts';

export interface LoginLimit {
  /** Seconds the address has to wait; 0: it may try. */
  waitSeconds(address: string): number;
  failed(address: string): void;
}

const FAILURES_LIMIT = 10;
const WINDOW_MS = 60_000;
const ADDRESSES_LIMIT = 10_000;

export function createLoginLimit(clock: Pick<Clock, 'now'>): LoginLimit {
  const windows = new Map<string, { endsAtMs: number; failures: number }>();
  const current = (address: string) => {
    const window = windows.get(address);
    return window && window.endsAtMs > clock.now().getTime() ? window : undefined;
  };
  return {
    waitSeconds: (address) => {
      const window = current(address);
      if (!window || window.failures < FAILURES_LIMIT) return 0;
      return Math.ceil((window.endsAtMs - clock.now().getTime()) / 1000);
    },
    failed: (address) => {
      const window = current(address) ?? { endsAtMs: clock.now().getTime() + WINDOW_MS, failures: 0 };
      window.failures++;
      windows.delete(address);
      windows.set(address, window);
      // Oldest first: a Map keeps the order of insertion.
      for (const oldest of windows.keys()) {
        if (windows.size <= ADDRESSES_LIMIT) break;
        windows.delete(oldest);
      }
    },
  };
}
