/**
 * The clock that the processes of one installation share: the database's. A machine's own clock may be wrong by days,
 * at the start or for a moment; what a process writes with it would bind all others. Between two comparisons time is
 * counted by the monotonic clock, so that a machine's clock that jumps changes nothing.
 */
import { type Clock, systemClock } from './clock.ts';

export interface SharedClock extends Clock {
  /** How far this machine's clock is ahead of the database's. Undefined until the two have been compared. */
  readonly skewMs: number | undefined;
  /**
   * False while the two clocks disagree, and for ten minutes after either has jumped: nobody can tell which is right,
   * so nothing may be closed or erased for its age.
   */
  readonly isCertain: boolean;
  /** Compares this machine's clock with what `read` returns. Rejects as `read` does. */
  compare(read: () => Promise<Date>): Promise<void>;
}

/** Below this the machine's clock is right: NTP and a round trip differ by as much. */
export const TOLERATED_SKEW_MS = 5_000;
/** Beyond this one of the two clocks is wrong. */
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
      const askedAtMs = monotonicMs();
      const theirs = await read();
      const readAtMs = monotonicMs();
      const theirsMs = theirs.getTime() + (readAtMs - askedAtMs) / 2;
      const machineMs = machine.now().getTime();
      const isFirst = skewMs === undefined;
      skewMs = machineMs - theirsMs;
      const atMs = Math.abs(skewMs) <= TOLERATED_SKEW_MS ? machineMs : theirsMs;
      if (!isFirst && Math.abs(atMs - nowMs()) > DISAGREEMENT_MS) certainFromMs = readAtMs + CERTAIN_AFTER_MS;
      base = { atMs, readAtMs };
    },
  };
}
