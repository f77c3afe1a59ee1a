/**
 * Whether the database responds: up, suspected or down. While it is down no caller waits for it: one probe at a time
 * runs in the background, and what went into the spool meanwhile is replayed when the database is back.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseUnavailableError } from '../../catalogue/database/database.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import { TimeoutError, untilAborted, withTimeout } from '../../runtime/timeout.ts';
import { createWakeSignal } from '../../runtime/wake-signal.ts';

export interface DatabaseAvailability {
  /** True from the first missing response until a probe succeeds. */
  readonly isDown: boolean;
  /** Resolves with the result of `work`. Rejects with a DatabaseUnavailableError where it takes longer than `timeoutMs`. */
  withTimeout<T>(work: Promise<T>): Promise<T>;
  /** Records that the database did not respond. */
  setDown(reason: unknown): void;
  /** Another part met an error of the database: it is probed at once. */
  suspect(): void;
  /** There is something to replay. */
  notify(): void;
  /** Probes and replays until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export interface DatabaseAvailabilityDeps {
  catalogue: Pick<Catalogue, 'ping'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors'>;
  /** Writes what is in the spool into the catalogue. */
  replay(signal: AbortSignal): Promise<void>;
}

export interface DatabaseAvailabilityTiming {
  /** How long the database may take before the spool is used. Default 2,500: WeChat gives up after 5 s. */
  timeoutMs?: number;
  /** The wait after a failed probe or replay. Default 500. */
  retryMs?: number;
  /** The wait between two replays while nothing happens. Default 10,000. */
  pollMs?: number;
}

export function createDatabaseAvailability(
  { catalogue, log, metrics, replay }: DatabaseAvailabilityDeps,
  { timeoutMs = 2_500, retryMs = 500, pollMs = 10_000 }: DatabaseAvailabilityTiming,
): DatabaseAvailability {
  const wakeSignal = createWakeSignal();
  let state: 'up' | 'suspected' | 'down' = 'up';
  let hasFailed = false;

  /** Work that ends too late still takes effect: an insert is then repeated from the spool and meets its own row. */
  async function inTime<T>(work: Promise<T>): Promise<T> {
    try {
      return await withTimeout(work, timeoutMs, 'catalogue');
    } catch (error) {
      if (error instanceof TimeoutError) throw new DatabaseUnavailableError(error.message, { cause: error });
      throw error;
    }
  }

  function setDown(reason: unknown): void {
    if (state === 'down') return;
    state = 'down';
    log.warn({ err: reason }, 'database: unavailable, writing to the spool');
    wakeSignal.notify();
  }

  function setUp(): void {
    if (state === 'down') log.info('database: available again');
    state = 'up';
  }

  async function probeAndReplay(signal: AbortSignal): Promise<void> {
    if (state !== 'up') {
      const probe = catalogue.ping();
      await inTime(probe).catch(setDown);
      // One probe at a time: a database that was suspended answers this one when it resumes.
      await probe;
    }
    setUp();
    await replay(signal);
  }

  const loop = createPollLoop({
    name: 'database-availability',
    everyMs: pollMs,
    log,
    metrics,
    wakeSignal,
    work: async (signal) => {
      hasFailed = true;
      try {
        // A probe of a database that hangs lasts as long as the pool's own timeouts; closing does not wait for it.
        await untilAborted(probeAndReplay(signal), signal);
      } catch (error) {
        if (error instanceof DatabaseUnavailableError && !signal.aborted) setDown(error);
        throw error;
      }
      hasFailed = false;
    },
    // After an error nothing ends the wait early: every callback of an outage would.
    sleep: (ms, signal) => (hasFailed ? wait(retryMs, undefined, { signal }) : wakeSignal.wait(ms, signal)),
  });

  return {
    get isDown() {
      return state === 'down';
    },
    withTimeout: inTime,
    setDown,
    suspect: () => {
      if (state === 'down') return;
      state = 'suspected';
      wakeSignal.notify();
    },
    notify: wakeSignal.notify,
    run: loop.run,
  };
}
