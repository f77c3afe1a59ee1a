/**
 * Holding all archiving while the store takes nothing. A put that failed is judged by a canary: where that fails too,
 * it is the store, and nothing is fed, fetched or tried until a probe gets through; else it is this media's own.
 *
 * One rule for a store that refuses and one that is away. Both cost the same: every download is a call of WeChat's
 * daily quota, and three days of tries, for bytes nobody can keep. They differ in how soon they may be over.
 */
import { randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { StoreHoldState } from '../../catalogue/queue/store-hold.ts';
import type { Failure } from '../../failures.ts';
import type { ArchiveJob } from '../../queue/consumer.ts';
import type { Disposition } from '../../queue/job-result.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { isStoreRefusal } from '../../store-failures.ts';
import type { StoreProbe } from './store-probe.ts';

/** Begun or ended, as told by the one process of the fleet that found out. */
export type StoreHoldChange =
  | { readonly held: true; readonly at: Date; readonly why: Failure }
  | { readonly held: false; readonly at: Date; readonly since: Date };

export interface StoreHoldDeps {
  catalogue: { storeHold: Omit<Catalogue['storeHold'], 'release'> };
  probe: StoreProbe;
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  metrics: Pick<Metrics, 'storeHeld'>;
  log: Pick<Log, 'info' | 'warn'>;
  /** The clock of this process was found to be wrong, or right again; must not throw. */
  onClockSkew?: ((why: Failure | undefined) => void) | undefined;
  /** Once an incident; must not throw. */
  onChange?: ((change: StoreHoldChange) => void) | undefined;
  /** Media are due again, in this process at once. */
  onReleased: () => void;
}

export interface StoreHold {
  /** Sends a media back while the store is held, and cuts its try when a hold begins: no try is spent. */
  runUnlessHeld(
    job: ArchiveJob,
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<Disposition>,
  ): Promise<Disposition>;
  /**
   * After a put failed: whether the store takes nothing, and all archiving is held, or nothing of this process, whose
   * clock is wrong; undefined where it takes what others put.
   */
  probeAfterFailure(failure: Failure): Promise<'held' | 'clockSkewed' | undefined>;
  /** Watches, and probes while it is held, until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const SECOND_MS = 1_000;
/** A refusal waits for somebody to correct something; a store that is away often comes back by itself. */
const PROBE_MS = {
  refused: { first: 15 * SECOND_MS, most: 300 * SECOND_MS },
  away: { first: 2 * SECOND_MS, most: 30 * SECOND_MS },
} as const;
/** How late a process may be to notice what another one found. */
const LOOK_MS = 1_000;
const LEAST_LOOK_MS = 50;
/** Longer than a canary may take. Real time, as the canary is. */
const LEASE_MS = 15_000;
const JUDGE_POLL_MS = 100;
const JUDGE_LIMIT_MS = 20_000;

/** When to probe next, after `probes` refused ones of this hold. In milliseconds of policy. */
export function decideProbeMs(why: Pick<Failure, 'code'>, probes: number): number {
  const { first, most } = PROBE_MS[isStoreRefusal(why.code) ? 'refused' : 'away'];
  return Math.min(most, first * 2 ** Math.min(probes, 20));
}

/** How often a process whose clock is wrong looks whether it is right again. */
const SKEWED_PROBE_MS = 15_000;
/** An item waits so long for a clock that may be set right, before it goes back into the queue for another process. */
const SKEWED_WAIT_MS = 5_000;

/** The try was cut because what it fetched could not have been stored. */
class StoreHeldError extends Error {
  override readonly name = 'StoreHeldError';
}

export function createStoreHold(deps: StoreHoldDeps): StoreHold {
  const { clock, log } = deps;
  const rows = deps.catalogue.storeHold;
  const inHand = new Set<AbortController>();
  let known: StoreHoldState | undefined;
  /** This machine's clock is wrong: a fault of this process, which holds nobody else. */
  let skewed: { readonly why: Failure; readonly probeAtMs: number } | undefined;

  function learnSkew(why: Failure | undefined): void {
    const was = skewed;
    skewed = why && { why, probeAtMs: performance.now() + SKEWED_PROBE_MS };
    if (why && !was) {
      log.warn({ failure: why }, "store: this machine's clock is wrong, this process archives nothing");
      deps.onClockSkew?.(why);
    } else if (!why && was) {
      log.info('store: the clock is right again, this process archives');
      deps.onClockSkew?.(undefined);
    }
  }

  function learn(hold: StoreHoldState | undefined): void {
    const begins = hold !== undefined && known === undefined;
    known = hold;
    deps.metrics.storeHeld.set(hold ? 1 : 0);
    if (!begins) return;
    for (const running of inHand) running.abort(new StoreHeldError('the store is held'));
  }

  async function read() {
    const state = await rows.read();
    learn(state.hold);
    return state;
  }

  /** Whoever has the probe: one canary, and what follows from it for the whole fleet. */
  async function probe(holder: string, startedAt: Date, signal: AbortSignal): Promise<void> {
    const before = known;
    const why = await deps.probe(signal);
    learnSkew(why?.code === 'clock_skewed' ? why : undefined);
    if (skewed) return await rows.dropProbe(holder);
    const now = clock.now();
    if (why) {
      const probes = before ? before.probes + 1 : 0;
      const until = new Date(now.getTime() + deps.lifetimes.scale(decideProbeMs(why, probes)));
      if (await rows.refused(holder, until, why, now)) {
        // Once an incident, whatever the number of media and processes that met it.
        log.warn({ failure: why, until }, 'the store takes nothing: all archiving is held');
        deps.onChange?.({ held: true, at: now, why });
      }
    } else if (await rows.passed(holder, startedAt, now)) {
      log.info({ since: before?.since }, 'the store works again: archiving goes on');
      deps.onChange?.({ held: false, at: now, since: before?.since ?? now });
    }
    await read();
    if (before && !known) deps.onReleased();
  }

  async function take(holder: string, now: Date): Promise<boolean> {
    return await rows.takeProbe(holder, now, new Date(now.getTime() + LEASE_MS));
  }

  return {
    runUnlessHeld: async (job, signal, run) => {
      const standBack = async (): Promise<boolean> =>
        job.round !== undefined && (await rows.standBack({ id: job.id, round: job.round }));
      if (known && (await standBack())) return { do: 'finish', result: 'later' };
      if (skewed) {
        // Nothing is fetched that could not be stored. It waits here, so that it does not go round and round between
        // the queue and this process, and then it is another process's to take.
        await clock.sleep(SKEWED_WAIT_MS, signal);
        if (skewed) return { do: 'putBack', delayMs: JUDGE_POLL_MS };
      }
      const running = new AbortController();
      const pass = () => running.abort(signal.reason);
      signal.addEventListener('abort', pass, { once: true });
      if (signal.aborted) pass();
      inHand.add(running);
      try {
        return await run(running.signal);
      } catch (error) {
        if (signal.aborted || !(running.signal.reason instanceof StoreHeldError)) throw error;
        if (!(await standBack())) return { do: 'putBack', delayMs: JUDGE_POLL_MS };
        return { do: 'finish', result: 'later' };
      } finally {
        inHand.delete(running);
        signal.removeEventListener('abort', pass);
      }
    },

    probeAfterFailure: async (failed) => {
      if (failed.code === 'clock_skewed') {
        learnSkew(failed);
        return 'clockSkewed';
      }
      const failedAt = clock.now();
      const holder = randomUUID();
      const giveUpAtMs = performance.now() + JUDGE_LIMIT_MS;
      while (performance.now() < giveUpAtMs) {
        const { hold, passedAt } = await read();
        if (hold) return 'held';
        if (skewed) return 'clockSkewed';
        // One canary answers for all that failed before it: a wave of failures makes two at most.
        if (passedAt && passedAt >= failedAt) return undefined;
        const now = clock.now();
        if (await take(holder, now)) await probe(holder, now, AbortSignal.timeout(LEASE_MS));
        else await clock.sleep(JUDGE_POLL_MS);
      }
      return undefined;
    },

    run: async (signal) => {
      const holder = randomUUID();
      while (!signal.aborted) {
        try {
          const { hold } = await read();
          const now = clock.now();
          if (skewed && performance.now() >= skewed.probeAtMs) {
            const why = await deps.probe(signal);
            learnSkew(why?.code === 'clock_skewed' ? why : undefined);
          }
          // Whose clock is wrong finds out nothing about the store.
          if (hold && !skewed && hold.until <= now && (await take(holder, now)))
            await probe(holder, now, signal);
        } catch (error) {
          // The catalogue is away, and nothing is archived anyway; or the program closes.
          if (!signal.aborted) log.info({ err: error }, 'the hold of the store could not be read');
        }
        const leftMs = known ? known.until.getTime() - clock.now().getTime() : LOOK_MS;
        await clock.sleep(Math.min(LOOK_MS, Math.max(LEAST_LOOK_MS, leftMs)), signal).catch(() => undefined);
      }
    },
  };
}
