/** Limits a rate per second, of bytes or of objects. */
import type { Clock } from '../../runtime/clock.ts';

export type Throttle = (amount: number, signal: AbortSignal) => Promise<void>;

/** An amount larger than one second's is let through, and the next caller waits for it. */
export function createThrottle(perSecond: number, clock: Pick<Clock, 'sleep'>): Throttle {
  let freeAtMs = Number.NEGATIVE_INFINITY;
  return async (amount, signal) => {
    const nowMs = performance.now();
    const waitMs = freeAtMs - nowMs;
    freeAtMs = Math.max(freeAtMs, nowMs) + (amount / perSecond) * 1000;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  };
}
