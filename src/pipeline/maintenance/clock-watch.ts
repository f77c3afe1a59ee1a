/** Keeps a process on the database's clock, says when its machine's clock is wrong, and ends what wrong clocks wrote. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Log } from '../../runtime/log.ts';
import { type SharedClock, TOLERATED_SKEW_MS } from '../../runtime/shared-clock.ts';

export interface ClockWatchDeps {
  clock: SharedClock;
  catalogue: { timestamps: Pick<Catalogue['timestamps'], 'now' | 'correct'> };
  log: Pick<Log, 'info' | 'warn'>;
}

export interface ClockWatch {
  /** One comparison and one correction. Rejects with a DatabaseAwayError. */
  check(): Promise<void>;
  /** Looks until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const EVERY_MS = 10_000;
const SAY_EVERY_MS = 3_600_000;

export function createClockWatch(deps: ClockWatchDeps, { everyMs = EVERY_MS } = {}): ClockWatch {
  const { clock, catalogue, log } = deps;
  let saidAtMs = Number.NEGATIVE_INFINITY;

  function say(skewMs: number): void {
    const seconds = Math.round(skewMs / 1000);
    if (Math.abs(skewMs) <= TOLERATED_SKEW_MS) {
      if (saidAtMs > 0) log.info({ seconds }, 'clock: right again');
      saidAtMs = Number.NEGATIVE_INFINITY;
    } else if (performance.now() - saidAtMs > SAY_EVERY_MS) {
      saidAtMs = performance.now();
      log.warn(
        { seconds, code: 'clock_skewed' },
        "clock: this machine's clock differs from the database's; the database's is followed",
      );
    }
  }

  async function look(): Promise<void> {
    await clock.compare(catalogue.timestamps.now);
    if (clock.skewMs !== undefined) say(clock.skewMs);
    const corrected = await catalogue.timestamps.correct();
    if (corrected.length > 0)
      log.warn({ corrected }, 'clock: times further ahead than they can be were set to now');
  }

  return {
    check: look,
    run: async (signal) => {
      let isTold = false;
      while (!signal.aborted) {
        try {
          await look();
          isTold = false;
        } catch (error) {
          if (!signal.aborted && !isTold) log.warn({ err: error }, 'clock: not compared with the database');
          isTold = true;
        }
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    },
  };
}
