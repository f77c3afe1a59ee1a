/** Looks at the state of the whole for troubles: once for all processes, at the cost of a few small questions. */
import type { Accounts } from '../../account.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock, Lifetimes } from '../../clock.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import {
  accountsHeld,
  accountsSilent,
  counted,
  DAYS_LOOKED_AT,
  dayOf,
  type Found,
  isSilent,
  mediaAtRisk,
  storeHeld,
} from './detect.ts';
import type { KindName } from './kinds.ts';

export interface LookDeps {
  catalogue: {
    accounts: Pick<Catalogue['accounts'], 'states'>;
    storeHold: Pick<Catalogue['storeHold'], 'read'>;
  } & {
    facts: Catalogue['facts'];
  };
  queue: Pick<ArchiveQueue, 'counts'>;
  accounts: Pick<Accounts, 'find'>;
  clock: Pick<Clock, 'now'>;
  lifetimes: Pick<Lifetimes, 'lifetimeMs' | 'scale'>;
}

export interface Look {
  readonly found: readonly Found[];
  /** What could be looked at: a trouble of another kind may be there still. */
  readonly kinds: readonly KindName[];
}

/** As {@link Catalogue.stats} counts what is at risk: six hours of three days. */
const AT_RISK_SHARE = 12;
/** What arrives late is close to its deadline from the start, and is archived within seconds. */
const KNOWN_MS = 5 * 60_000;
const EXPIRED_MS = 6 * 3_600_000;
/** Real time: what a Redis takes to be started again. */
export const AWAY_MS = 2 * 60_000;

export function createLook(deps: LookDeps, { awayMs = AWAY_MS }: { awayMs?: number } = {}) {
  const { catalogue, accounts, clock, lifetimes } = deps;
  let queueAway: { since: Date; atMs: number } | undefined;

  async function lookAtQueue(signal: AbortSignal): Promise<Found[]> {
    try {
      await deps.queue.counts(signal);
      queueAway = undefined;
    } catch {
      signal.throwIfAborted();
      queueAway ??= { since: clock.now(), atMs: performance.now() };
    }
    if (!queueAway || performance.now() - queueAway.atMs < awayMs) return [];
    return [{ kind: 'queue_away', target: '', since: queueAway.since, count: 1, detail: {} }];
  }

  /** Rejects with a DatabaseAwayError. */
  return async (signal: AbortSignal): Promise<Look> => {
    const now = clock.now();
    const ago = (ms: number) => new Date(now.getTime() - lifetimes.scale(ms));
    // Rows of accounts that are not configured any more stay, and are nobody's trouble.
    const states = (await catalogue.accounts.states()).filter(({ account }) => accounts.find(account));
    const { hold } = await catalogue.storeHold.read();
    const near = new Date(now.getTime() + lifetimes.lifetimeMs / AT_RISK_SHARE);
    const silent = states.filter(({ lastCallbackAt }) => lastCallbackAt && isSilent(lastCallbackAt, now));
    const oldest = Math.min(...silent.map(({ lastCallbackAt }) => lastCallbackAt!.getTime()));
    const days =
      silent.length > 0
        ? await catalogue.facts.callbackDays(
            silent.map(({ account }) => account),
            dayOf(new Date(oldest), -DAYS_LOOKED_AT),
          )
        : new Map();
    const found: Found[] = [
      ...accountsHeld(states, now),
      ...storeHeld(hold),
      ...mediaAtRisk(await catalogue.facts.atRisk(near, ago(KNOWN_MS)), now),
      ...counted('expired', await catalogue.facts.expiredSince(ago(EXPIRED_MS))),
      ...(hold ? [] : counted('store_refused', await catalogue.facts.storeRefused())),
      ...accountsSilent(silent, days, now),
      ...(await lookAtQueue(signal)),
    ];
    const kinds: KindName[] = [
      'account_held',
      'store_held',
      'at_risk',
      'expired',
      'store_refused',
      'no_callbacks',
      'queue_away',
    ];
    return { found, kinds };
  };
}
