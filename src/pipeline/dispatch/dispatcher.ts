/**
 * The dispatcher: claims due rows and enqueues them, just enough to keep the workers busy for the next moment. The rows
 * are the backlog and keep their order; a job in the queue can no longer be overtaken, so the queue stays short.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Account, Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { ClaimedItem } from '../../catalogue/queue/claims.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/health.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import type { Tracer } from '../../runtime/tracing/tracer.ts';
import { createWakeSignal } from '../../runtime/wake-signal.ts';
import { traceDispatch } from './dispatch-spans.ts';

export interface DispatcherDeps {
  catalogue: { queue: Pick<Catalogue['queue'], 'promote' | 'claim' | 'requeue'> };
  queue: Pick<ArchiveQueue, 'add'>;
  accounts: Pick<Accounts, 'all'>;
  clock: Pick<Clock, 'now'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors'>;
  health: Pick<Health, 'setUnhealthy' | 'setHealthy'>;
  tracer?: Tracer;
}

export interface Dispatcher {
  /** New rows are due: they are dispatched now rather than at the next tick. */
  notify(): void;
  /** A job of this process left the queue. When half of the jobs last added have, the next rows are dispatched. */
  jobFinished(): void;
  /** Dispatches until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const TICK_MS = 250;
/** Rows that arrive one by one, hundreds a second, share a claim: a claim costs the database more than an INSERT. */
const MIN_INTERVAL_MS = 20;
const RETRY_MS = 1_000;
const PROMOTE_LIMIT = 2_000;
/** Real time: it is about the queue, not about the items. */
const ADDS_FAILING_MS = 60_000;
const ADDS_FAILING = 'queue_adds_failing';

/**
 * Returns how many jobs of an account may be in the queue: twice as many where the workers emptied it since the last
 * claim, fewer where they did not. A busy account thus has about a quarter of a second's work in the queue, and a new
 * item of another account starts at most that much later, however long the backlog of the first is.
 */
export function decideWindow(
  window: number,
  { inQueue, claimed }: { inQueue: number; claimed: number },
  bounds: Pick<WindowBounds, 'min' | 'max'>,
): number {
  const isFull = inQueue + claimed >= window;
  if (isFull && inQueue <= window / 4) return Math.min(bounds.max, window * 2);
  if (inQueue > (window * 3) / 4) return Math.max(bounds.min, Math.floor(window * 0.75));
  return window;
}

export interface WindowBounds {
  /** An account with a higher concurrency has that as its minimum. */
  readonly min: number;
  /** QUEUE_WINDOW */
  readonly max: number;
  /** How long before their deadline pictures of held accounts are dispatched (account-hold.ts). Default: never. */
  readonly pictureWindowMs?: number;
  /** How long adding must fail before it is reported. Default 60,000. */
  readonly addsFailingMs?: number;
  /** The wait after an error. Default 1,000. */
  readonly retryMs?: number;
}

export function createDispatcher(deps: DispatcherDeps, bounds: WindowBounds): Dispatcher {
  const { accounts, log, metrics } = deps;
  const rows = deps.catalogue.queue;
  const { addsFailingMs = ADDS_FAILING_MS, retryMs = RETRY_MS } = bounds;
  const windows = new Map<string, number>();
  const wakeSignal = createWakeSignal();
  let unfinished = 0;
  let startedAtMs = 0;
  let hasFailed = false;
  let promotedAtMs = Number.NEGATIVE_INFINITY;
  let addsFailSinceMs: number | undefined;

  // At least the account's concurrency: with less, workers would stay idle.
  const minOf = ({ concurrency }: Pick<Account, 'concurrency'>) =>
    Math.min(bounds.max, Math.max(bounds.min, concurrency));
  const windowOf = (account: Account) => Math.max(minOf(account), windows.get(account.account) ?? 0);

  /** Adds jobs, and reports where no job could be added for a minute. */
  async function add(jobs: readonly ClaimedItem[], signal: AbortSignal): Promise<void> {
    try {
      await deps.queue.add(jobs, signal);
      addsFailSinceMs = undefined;
      deps.health.setHealthy(ADDS_FAILING);
    } catch (error) {
      addsFailSinceMs ??= performance.now();
      if (performance.now() - addsFailSinceMs >= addsFailingMs) deps.health.setUnhealthy(ADDS_FAILING);
      throw error;
    }
  }

  function adjustWindows(jobs: readonly ClaimedItem[], inQueue: ReadonlyMap<string, number>): void {
    const claimed = new Map<string, number>();
    for (const { reference } of jobs)
      claimed.set(reference.account, (claimed.get(reference.account) ?? 0) + 1);
    for (const account of accounts.all) {
      const counts = {
        inQueue: inQueue.get(account.account) ?? 0,
        claimed: claimed.get(account.account) ?? 0,
      };
      // Without a claim there is nothing to learn: either no row is due or the queue is full enough.
      if (counts.claimed === 0) continue;
      const limits = { min: minOf(account), max: bounds.max };
      windows.set(account.account, decideWindow(windowOf(account), counts, limits));
    }
  }

  async function dispatch(signal: AbortSignal): Promise<void> {
    const now = deps.clock.now();
    // Rows that wait for a time can wait for a tick too. New rows, which wake the dispatcher, are due already.
    if (performance.now() - promotedAtMs >= TICK_MS) {
      promotedAtMs = performance.now();
      await rows.promote(now, PROMOTE_LIMIT);
    }
    const limits = accounts.all.map((one) => ({ account: one.account, capacity: windowOf(one) }));
    const { claimed, inQueue } = await rows.claim(limits, now, bounds.max, bounds.pictureWindowMs);
    if (claimed.length === 0) return;
    try {
      await traceDispatch(deps.tracer, claimed, (jobs) => add(jobs, signal));
    } catch (error) {
      await rows.requeue(claimed);
      throw error;
    }
    unfinished = Math.ceil(claimed.length / 2);
    adjustWindows(claimed, inQueue);
  }

  const loop = createPollLoop({
    name: 'dispatcher',
    everyMs: TICK_MS,
    log,
    metrics,
    wakeSignal,
    work: async (signal) => {
      startedAtMs = performance.now();
      hasFailed = true;
      try {
        await dispatch(signal);
      } catch (error) {
        // While the queue is away, one attempt a second should not rewrite a thousand rows.
        windows.clear();
        throw error;
      }
      hasFailed = false;
    },
    sleep: async (ms, signal) => {
      // After an error new rows end no wait: they would only fail at once.
      if (!hasFailed) await wakeSignal.wait(ms, signal);
      const earlyMs = (hasFailed ? retryMs : MIN_INTERVAL_MS) - (performance.now() - startedAtMs);
      if (earlyMs > 0) await wait(earlyMs, undefined, { signal });
    },
  });

  return {
    notify: wakeSignal.notify,
    jobFinished: () => {
      unfinished--;
      if (unfinished === 0) wakeSignal.notify();
    },
    run: loop.run,
  };
}
