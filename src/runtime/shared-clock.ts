/**
 * The clock that all processes of one installation share: the clock of the database. A machine's own clock may be wrong
 * by days, and all processes rely on the times that one of them writes. Between two comparisons the monotonic clock is
 * used, so that a jump of the machine's clock has no effect.
 */
import { type Clock, systemClock } from './clock.ts';

export interface SharedClock extends Clock {
  /** Milliseconds by which this machine's clock is ahead of the database's. Undefined until the first comparison. */
  readonly skewMs: number | undefined;
  /**
   * False while the two clocks disagree, and for ten minutes after one of them has jumped. It is unknown which one is
   * correct, so no item may be closed or erased because of its age.
   */
  readonly isCertain: boolean;
  /** Compares this machine's clock with the time that `read` resolves with. Rejects if `read` rejects. */
  compare(read: () => Promise<Date>): Promise<void>;
}

/** Up to this difference the machine's clock counts as correct: NTP and the round trip cause such differences. */
export const TOLERATED_SKEW_MS = 5_000;
/** Above this difference one of the two clocks is wrong. */
export const DISAGREEMENT_MS = 60_000;
const CERTAIN_AFTER_MS = 10 * 60_000;

export function createSharedClock(
  machine: Pick<Clock, 'now' | 'sleep'> = systemClock,
  monotonicMs: () => number = () => performance.now(),
): SharedClock {
  let base = { atMs: machine.now().getTime(), readAtMs: monotonicMs() };
  let skewMs: number | undefined;
  let certainFromMs = Number.NEGATIVE_INFINITY;

  const nowMs = () => base.atMs + monotonicMs() - base.readAtMs;

  return {
    now: () => new Date(nowMs()),
    sleep: (ms, signal) => machine.sleep(ms, signal),
    get skewMs() {
      return skewMs;
    },
    get isCertain() {
      return Math.abs(skewMs ?? 0) <= DISAGREEMENT_MS && monotonicMs() >= certainFromMs;
    },
    compare: async (read) => {
      const sentAtMs = monotonicMs();
      const remote = await read();
      const readAtMs = monotonicMs();
      const remoteMs = remote.getTime() + (readAtMs - sentAtMs) / 2;
      const machineMs = machine.now().getTime();
      const isFirst = skewMs === undefined;
      skewMs = machineMs - remoteMs;
      const atMs = Math.abs(skewMs) <= TOLERATED_SKEW_MS ? machineMs : remoteMs;
      if (!isFirst && Math.abs(atMs - nowMs()) > DISAGREEMENT_MS) certainFromMs = readAtMs + CERTAIN_AFTER_MS;
      base = { atMs, readAtMs };
    },
  };
}
