/** Keeps a process on the database's clock, logs when its machine's clock is wrong, and corrects times that wrong clocks wrote. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import { type SharedClock, TOLERATED_SKEW_MS } from '../../runtime/shared-clock.ts';

export interface ClockWatchDeps {
  clock: SharedClock;
  catalogue: { timestamps: Pick<Catalogue['timestamps'], 'now' | 'correct'> };
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors'>;
}

export interface ClockWatch {
  /** Compares the clocks once and corrects times once. Rejects with a DatabaseUnavailableError. */
  check(): Promise<void>;
  /** Checks until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const EVERY_MS = 10_000;
const LOG_EVERY_MS = 3_600_000;

export function createClockWatch(deps: ClockWatchDeps, { everyMs = EVERY_MS } = {}): ClockWatch {
  const { clock, catalogue, log } = deps;
  let loggedAtMs = Number.NEGATIVE_INFINITY;

  function logSkew(skewMs: number): void {
    const seconds = Math.round(skewMs / 1000);
    if (Math.abs(skewMs) <= TOLERATED_SKEW_MS) {
      if (loggedAtMs > 0) log.info({ seconds }, 'clock-watch: the clock is right again');
      loggedAtMs = Number.NEGATIVE_INFINITY;
    } else if (performance.now() - loggedAtMs > LOG_EVERY_MS) {
      loggedAtMs = performance.now();
      log.warn(
        { seconds, code: 'clock_skewed' },
        "clock-watch: this machine's clock differs from the database's, using the database's",
      );
    }
  }

  async function check(): Promise<void> {
    await clock.compare(catalogue.timestamps.now);
    if (clock.skewMs !== undefined) logSkew(clock.skewMs);
    const corrected = await catalogue.timestamps.correct();
    if (corrected.length > 0)
      log.warn({ corrected }, 'clock-watch: times further ahead than possible were set to now');
  }

  const loop = createPollLoop({
    name: 'clock-watch',
    everyMs,
    log,
    metrics: deps.metrics,
    sleep: clock.sleep,
    work: check,
  });

  return { check, run: loop.run };
}
