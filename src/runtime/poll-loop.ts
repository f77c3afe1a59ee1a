/** The loop of all background work: it works and waits until the signal aborts. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Log } from './log.ts';
import { createRepeatedLog } from './repeated-log.ts';
import { createWakeSignal, type WakeSignal } from './wake-signal.ts';

export interface PollLoopDeps {
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** The counter of `wma_background_errors_total`; structural, so that the npm package needs no prom-client. */
  readonly metrics: {
    readonly backgroundErrors: { inc(labels: { loop: string }, value?: number): void };
    /** The gauge of `wma_background_loop_failing`, from which the process reports a condition. Every program has it. */
    readonly loopFailing?: { set(labels: { loop: string }, value: number): void };
  };
}

export interface PollLoopOptions extends PollLoopDeps {
  /** Names the loop in log lines and in `wma_background_errors_total{loop}`: lower case, words joined by `-`. */
  readonly name: string;
  /** The wait in milliseconds between two turns, and after a turn that failed. */
  readonly everyMs: number;
  /**
   * Does the work of one turn. Returns the milliseconds until the next one (0: at once); undefined means `everyMs`. An
   * error is logged and counted, and the next turn follows after `everyMs`.
   */
  work(signal: AbortSignal): Promise<number | undefined> | Promise<void>;
  /** Spreads each wait over ±this share of it (0.2: ±20 %), so that many processes do not act at the same moment. */
  readonly jitter?: number;
  readonly random?: () => number;
  /** Ends a wait early when it is notified. */
  readonly wakeSignal?: WakeSignal;
  /** Replaces the wait; for loops whose clock is not the machine's. May reject when the signal aborts. */
  sleep?(ms: number, signal: AbortSignal): Promise<unknown>;
  /** Whether the first turn comes after a wait, not at once. */
  readonly waitsFirst?: boolean;
  /** How long a loop must fail before it is reported. Default 30,000. Real time. */
  readonly failingAfterMs?: number;
  /** Dropped after the last turn, so that another process need not wait until the lease expires. */
  readonly lease?: { drop(): Promise<void> };
}

export interface PollLoop {
  /** Resolves when the signal has aborted and the turn in progress has ended. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** A single error, or two, are nothing unusual: the next turn follows soon. */
const FAILING_TURNS = 3;
const FAILING_AFTER_MS = 30_000;

export function createPollLoop(options: PollLoopOptions): PollLoop {
  const { name, everyMs, log, metrics, jitter = 0, random = Math.random } = options;
  const { failingAfterMs = FAILING_AFTER_MS } = options;
  const wakeSignal = options.wakeSignal ?? createWakeSignal();
  const sleep = options.sleep ?? wakeSignal.wait;
  const spread = (ms: number) => ms * (1 + jitter * (2 * random() - 1));
  // The series exists with 0 before the first error. A rate over a series that appears with the first error would miss
  // it.
  metrics.backgroundErrors.inc({ loop: name }, 0);
  metrics.loopFailing?.set({ loop: name }, 0);

  async function wait(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(spread(ms), signal).catch(() => undefined);
  }

  return {
    run: async (signal) => {
      const errors = createRepeatedLog(log);
      let failures = 0;
      let failingSinceMs = 0;

      async function turn(): Promise<number> {
        try {
          const waitMs = await options.work(signal);
          if (failures > 0) {
            log.info({ failures }, `${name}: works again`);
            metrics.loopFailing?.set({ loop: name }, 0);
          }
          failures = 0;
          return typeof waitMs === 'number' ? waitMs : everyMs;
        } catch (error) {
          if (signal.aborted) return 0;
          failures++;
          if (failures === 1) failingSinceMs = performance.now();
          metrics.backgroundErrors.inc({ loop: name });
          if (failures >= FAILING_TURNS && performance.now() - failingSinceMs >= failingAfterMs)
            metrics.loopFailing?.set({ loop: name }, 1);
          errors.write('warn', name, { err: error, failures }, `${name}: failed, retrying`);
          return everyMs;
        }
      }

      if (options.waitsFirst) await wait(everyMs, signal);
      while (!signal.aborted) {
        // A notification before this point is about work that this turn will find.
        wakeSignal.clear();
        const waitMs = await turn();
        if (waitMs > 0) await wait(waitMs, signal);
        // Without a timer or a socket in between, turns would keep timers, sockets and the abort itself from running.
        else await yieldToEventLoop();
      }
      errors.close();
      metrics.loopFailing?.set({ loop: name }, 0);
      await options.lease?.drop().catch((error: unknown) => {
        metrics.backgroundErrors.inc({ loop: name });
        log.warn({ err: error }, `${name}: lease not dropped, it expires later`);
      });
    },
  };
}
