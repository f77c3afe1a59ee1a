/**
 * The store hold: all archiving waits while the store accepts nothing. A failed put is followed by a probe. Where the
 * probe fails too, it is the store, and nothing is dispatched, downloaded or attempted until a probe succeeds; else it
 * is this item alone.
 *
 * The rule is the same for a store that refuses and one that is unavailable, because both cost the same: every download
 * uses up WeChat's daily quota, and three days of attempts, for bytes that cannot be kept. They differ in the delay
 * between probes.
 */
import { randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { StoreHoldState } from '../../catalogue/queue/store-hold.ts';
import type { Failure } from '../../failures.ts';
import type { ArchiveJob } from '../../queue/consumer.ts';
import type { JobResult } from '../../queue/job-result.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import { isStoreRefusal } from '../../store-failures.ts';
import type { StoreProbe } from './store-probe.ts';

/** A hold that began or ended, reported by the one process whose probe found out. */
export type StoreHoldChange =
  | { readonly held: true; readonly at: Date; readonly why: Failure }
  | { readonly held: false; readonly at: Date; readonly since: Date };

export interface StoreHoldDeps {
  catalogue: { storeHold: Omit<Catalogue['storeHold'], 'release'> };
  probe: StoreProbe;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  metrics: Pick<Metrics, 'storeHeld' | 'backgroundErrors'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Called when the clock of this process is found to be wrong, and with undefined when it is right again. Must not throw. */
  onClockSkew?: ((why: Failure | undefined) => void) | undefined;
  /** Called once when a hold begins and once when it ends. Must not throw. */
  onChange?: ((change: StoreHoldChange) => void) | undefined;
  /** Called when items are due again. */
  onReleased: () => void;
}

export interface StoreHold {
  /** Requeues the job while the store is held, and aborts its attempt when a hold begins: no attempt is spent. */
  runUnlessHeld(
    job: ArchiveJob,
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<JobResult>,
  ): Promise<JobResult>;
  /**
   * Call after a failed put. Resolves with `held` where the store accepts nothing and all archiving is held, with
   * `clockSkewed` where the clock of this process is wrong, and with undefined where a probe succeeded.
   */
  probeAfterFailure(failure: Failure): Promise<'held' | 'clockSkewed' | undefined>;
  /** Reads the hold, and probes while the store is held, until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const SECOND_MS = 1_000;
/** A refusal lasts until an operator corrects something. An unavailable store often recovers without help. */
const PROBE_MS = {
  refused: { first: 15 * SECOND_MS, max: 300 * SECOND_MS },
  unavailable: { first: 2 * SECOND_MS, max: 30 * SECOND_MS },
} as const;
/** The delay after which a process notices what another one found. */
const POLL_MS = 1_000;
const MIN_POLL_MS = 50;
/** Longer than a probe may take. Real time, as the probe is. */
const LEASE_MS = 15_000;
const RESULT_POLL_MS = 100;
const RESULT_LIMIT_MS = 20_000;

/** Returns the delay before the next probe, after `probes` failed ones of this hold. In milliseconds of policy. */
export function decideProbeMs(why: Pick<Failure, 'code'>, probes: number): number {
  const { first, max } = PROBE_MS[isStoreRefusal(why.code) ? 'refused' : 'unavailable'];
  return Math.min(max, first * 2 ** Math.min(probes, 20));
}

/** How often a process whose clock is wrong checks whether it is right again. */
const SKEWED_PROBE_MS = 15_000;
/** How long an item waits for the clock to be corrected, before it goes back into the queue for another process. */
const SKEWED_WAIT_MS = 5_000;

/** The attempt was aborted because its download could not have been stored. */
class StoreHeldError extends Error {
  override readonly name = 'StoreHeldError';
}

export function createStoreHold(deps: StoreHoldDeps): StoreHold {
  const { clock, log } = deps;
  const rows = deps.catalogue.storeHold;
  const loopHolder = randomUUID();
  const running = new Set<AbortController>();
  let known: StoreHoldState | undefined;
  /** This machine's clock is wrong: a fault of this process, which holds no other one. */
  let skewed: { readonly why: Failure; readonly probeAtMs: number } | undefined;

  function setClockSkew(why: Failure | undefined): void {
    const was = skewed;
    skewed = why && { why, probeAtMs: performance.now() + SKEWED_PROBE_MS };
    if (why && !was) {
      log.warn({ failure: why }, "store-hold: this machine's clock is wrong, this process archives nothing");
      deps.onClockSkew?.(why);
    } else if (!why && was) {
      log.info('store-hold: the clock is right again, this process archives');
      deps.onClockSkew?.(undefined);
    }
  }

  function setHold(hold: StoreHoldState | undefined): void {
    const begins = hold !== undefined && known === undefined;
    known = hold;
    deps.metrics.storeHeld.set(hold ? 1 : 0);
    if (!begins) return;
    for (const attempt of running) attempt.abort(new StoreHeldError('the store is held'));
  }

  async function read() {
    const state = await rows.read();
    setHold(state.hold);
    return state;
  }

  /** Probes the store and records the result for all processes. Only the holder of the probe may call it. */
  async function probe(holder: string, startedAt: Date, signal: AbortSignal): Promise<void> {
    const before = known;
    const why = await deps.probe(signal);
    setClockSkew(why?.code === 'clock_skewed' ? why : undefined);
    if (skewed) return await rows.releaseProbe(holder);
    const now = clock.now();
    if (why) {
      const probes = before ? before.probes + 1 : 0;
      const until = new Date(now.getTime() + deps.lifetimes.scale(decideProbeMs(why, probes)));
      if (await rows.probeFailed(holder, until, why, now)) {
        // Once for each hold, whatever the number of items and processes that met it.
        log.warn({ failure: why, until }, 'store-hold: the store accepts nothing, archiving is held');
        deps.onChange?.({ held: true, at: now, why });
      }
    } else if (await rows.probeSucceeded(holder, startedAt, now)) {
      log.info({ since: before?.since }, 'store-hold: the store works again, archiving continues');
      deps.onChange?.({ held: false, at: now, since: before?.since ?? now });
    }
    await read();
    if (before && !known) deps.onReleased();
  }

  async function takeProbe(holder: string, now: Date): Promise<boolean> {
    return await rows.takeProbe(holder, now, new Date(now.getTime() + LEASE_MS));
  }

  async function requeueIfHeld(job: ArchiveJob): Promise<boolean> {
    return job.generation !== undefined && (await rows.requeue({ id: job.id, generation: job.generation }));
  }

  async function recheckClock(signal: AbortSignal): Promise<void> {
    const why = await deps.probe(signal);
    setClockSkew(why?.code === 'clock_skewed' ? why : undefined);
  }

  const loop = createPollLoop({
    name: 'store-hold',
    everyMs: POLL_MS,
    log,
    metrics: deps.metrics,
    sleep: clock.sleep,
    work: async (signal) => {
      const { hold } = await read();
      const now = clock.now();
      if (skewed && performance.now() >= skewed.probeAtMs) await recheckClock(signal);
      // A process whose clock is wrong learns nothing about the store.
      if (hold && !skewed && hold.until <= now && (await takeProbe(loopHolder, now)))
        await probe(loopHolder, now, signal);
      const leftMs = known ? known.until.getTime() - clock.now().getTime() : POLL_MS;
      return Math.min(POLL_MS, Math.max(MIN_POLL_MS, leftMs));
    },
  });

  return {
    runUnlessHeld: async (job, signal, run) => {
      if (known && (await requeueIfHeld(job))) return { action: 'finish', result: 'later' };
      if (skewed) {
        // Nothing is downloaded that could not be stored. The job waits here, so that it does not circle between the
        // queue and this process; then another process may take it.
        await clock.sleep(SKEWED_WAIT_MS, signal);
        if (skewed) return { action: 'requeue', delayMs: RESULT_POLL_MS };
      }
      const attempt = new AbortController();
      running.add(attempt);
      const bounded = AbortSignal.any([signal, attempt.signal]);
      try {
        return await run(bounded);
      } catch (error) {
        if (signal.aborted || !(bounded.reason instanceof StoreHeldError)) throw error;
        if (!(await requeueIfHeld(job))) return { action: 'requeue', delayMs: RESULT_POLL_MS };
        return { action: 'finish', result: 'later' };
      } finally {
        running.delete(attempt);
      }
    },

    probeAfterFailure: async (failed) => {
      if (failed.code === 'clock_skewed') {
        setClockSkew(failed);
        return 'clockSkewed';
      }
      const failedAt = clock.now();
      const holder = randomUUID();
      const giveUpAtMs = performance.now() + RESULT_LIMIT_MS;
      while (performance.now() < giveUpAtMs) {
        const { hold, lastProbeSuccessAt: passedAt } = await read();
        if (hold) return 'held';
        if (skewed) return 'clockSkewed';
        // One probe serves all failures before it: a wave of failures leads to two probes at most.
        if (passedAt && passedAt >= failedAt) return undefined;
        const now = clock.now();
        if (await takeProbe(holder, now)) await probe(holder, now, AbortSignal.timeout(LEASE_MS));
        else await clock.sleep(RESULT_POLL_MS);
      }
      return undefined;
    },

    run: loop.run,
  };
}
