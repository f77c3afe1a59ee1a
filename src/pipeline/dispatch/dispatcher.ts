/**
 * The feeder: takes due rows into the queue, just enough to keep the workers busy for the next moment. The rows are
 * the backlog and wait in order; what stands in the queue can no longer be overtaken, so little should stand there.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Account, Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Fed } from '../../catalogue/queue/claims.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/health.ts';
import type { Log } from '../../runtime/log.ts';
import { createWakeSignal } from '../../runtime/wake-signal.ts';

export interface DispatcherDeps {
  catalogue: { queue: Pick<Catalogue['queue'], 'promote' | 'claim' | 'requeue'> };
  queue: Pick<ArchiveQueue, 'add'>;
  accounts: Pick<Accounts, 'all'>;
  clock: Pick<Clock, 'now'>;
  log: Pick<Log, 'warn'>;
  health: Pick<Health, 'setUnhealthy' | 'setHealthy'>;
}

export interface Dispatcher {
  /** New rows are due: feed now rather than at the next tick. */
  notify(): void;
  /** A job of this process left the queue; after enough of them the queue runs low and is fed. */
  jobFinished(): void;
  /** Feeds until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const TICK_MS = 250;
/** Rows that come one by one, hundreds a second, share a look: alone, each costs the database more than its INSERT. */
const LOOK_EVERY_MS = 20;
const TROUBLE_MS = 1_000;
const PROMOTE_LIMIT = 2_000;
/** Real time: it is about the queue. */
const ADDS_FAILING_MS = 60_000;
const ADDS_FAILING = 'queue_adds_failing';

/**
 * How many of an account may stand in the queue: doubled while the workers empty it between two looks, shrunk while
 * they do not. A heavy account thus has about a quarter of a second's work in the queue, and a fresh media of
 * another one starts that much later at most, whatever the first has waiting.
 */
export function decideWindow(
  room: number,
  seen: { inQueue: number; taken: number },
  bounds: WindowBounds,
): number {
  const full = seen.inQueue + seen.taken >= room;
  if (full && seen.inQueue <= room / 4) return Math.min(bounds.max, room * 2);
  if (seen.inQueue > (room * 3) / 4) return Math.max(bounds.min, Math.floor(room * 0.75));
  return room;
}

export interface WindowBounds {
  /** More for an account that may have more in work at once. */
  readonly min: number;
  /** QUEUE_WINDOW */
  readonly max: number;
  /** How long before their deadline pictures of held accounts are fed; see holds.ts. Default: none is. */
  readonly pictureWindowMs?: number;
  /** How long adding must fail before it is reported. Default: a minute. */
  readonly addsFailingMs?: number;
}

export function createDispatcher(deps: DispatcherDeps, bounds: WindowBounds): Dispatcher {
  // As many as may be in work at once: with less, places of the account would stay empty.
  const leastOf = ({ concurrency }: Pick<Account, 'concurrency'>) =>
    Math.min(bounds.max, Math.max(bounds.min, concurrency));
  const rooms = new Map<string, number>();
  const bell = createWakeSignal();
  let unfinished = 0;
  let troubleSaidAt = Number.NEGATIVE_INFINITY;
  let promotedAtMs = Number.NEGATIVE_INFINITY;
  let addsFailSinceMs: number | undefined;
  const addsFailingMs = bounds.addsFailingMs ?? ADDS_FAILING_MS;

  /** Adds jobs, and reports where that has failed for a minute without one success. */
  async function add(fed: readonly Fed[], signal: AbortSignal): Promise<void> {
    try {
      await deps.queue.add(fed, signal);
      addsFailSinceMs = undefined;
      deps.health.setHealthy(ADDS_FAILING);
    } catch (error) {
      addsFailSinceMs ??= performance.now();
      if (performance.now() - addsFailSinceMs >= addsFailingMs) deps.health.setUnhealthy(ADDS_FAILING);
      throw error;
    }
  }

  const roomOf = (one: Account) => Math.max(leastOf(one), rooms.get(one.account) ?? 0);

  function adjust(fed: readonly Fed[], inQueue: ReadonlyMap<string, number>): void {
    const taken = new Map<string, number>();
    for (const one of fed) taken.set(one.reference.account, (taken.get(one.reference.account) ?? 0) + 1);
    for (const one of deps.accounts.all) {
      const { account } = one;
      const seen = { inQueue: inQueue.get(account) ?? 0, taken: taken.get(account) ?? 0 };
      // Nothing taken says nothing: either no row is due or the queue is full enough.
      if (seen.taken > 0)
        rooms.set(account, decideWindow(roomOf(one), seen, { min: leastOf(one), max: bounds.max }));
    }
  }

  /** One look: what is due and has room goes into the queue. */
  async function feed(signal: AbortSignal): Promise<void> {
    const now = deps.clock.now();
    // What waits for a time waits for a tick too; new rows, which wake the feeder, are due already.
    if (performance.now() - promotedAtMs >= TICK_MS) {
      promotedAtMs = performance.now();
      await deps.catalogue.queue.promote(now, PROMOTE_LIMIT);
    }
    const given = deps.accounts.all.map((one) => ({ account: one.account, room: roomOf(one) }));
    const { fed, inQueue } = await deps.catalogue.queue.claim(given, now, bounds.max, bounds.pictureWindowMs);
    if (fed.length === 0) return;
    try {
      await add(fed, signal);
    } catch (error) {
      await deps.catalogue.queue.requeue(fed);
      throw error;
    }
    unfinished = Math.ceil(fed.length / 2);
    adjust(fed, inQueue);
  }

  return {
    notify: bell.notify,
    jobFinished: () => {
      unfinished--;
      if (unfinished === 0) bell.notify();
    },
    run: async (signal) => {
      while (!signal.aborted) {
        bell.clear();
        let trouble = false;
        const startedAtMs = performance.now();
        try {
          await feed(signal);
        } catch (error) {
          if (signal.aborted) return;
          trouble = true;
          // While the queue is away, a look a second should not rewrite a thousand rows.
          rooms.clear();
          // Rows stay where they are, so nothing is lost; say it once a minute, not four times a second.
          if (performance.now() - troubleSaidAt > 60_000) {
            troubleSaidAt = performance.now();
            deps.log.warn({ err: error }, 'feeding is interrupted; media wait in the catalogue');
          }
        }
        if (!trouble) await bell.wait(TICK_MS, signal);
        // New rows are no reason to fail again at once.
        const earlyMs = (trouble ? TROUBLE_MS : LOOK_EVERY_MS) - (performance.now() - startedAtMs);
        if (earlyMs > 0) await wait(earlyMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}
