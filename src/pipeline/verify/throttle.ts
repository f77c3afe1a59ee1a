/** So many a second, whatever is counted: bytes, objects. */
import type { Clock } from '../../runtime/clock.ts';

export type Throttle = (amount: number, signal: AbortSignal) => Promise<void>;

/** Who takes more than there is waits for it afterwards: one object larger than a second's bytes passes, too. */
export function createThrottle(perSecond: number, clock: Pick<Clock, 'sleep'>): Throttle {
  let freeAtMs = Number.NEGATIVE_INFINITY;
  return async (amount, signal) => {
    const nowMs = performance.now();
    const waitMs = freeAtMs - nowMs;
    freeAtMs = Math.max(freeAtMs, nowMs) + (amount / perSecond) * 1000;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  };
}
