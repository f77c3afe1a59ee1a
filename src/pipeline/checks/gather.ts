/** Reads the facts that the checks are computed from, at the cost of a few small questions. */
import type { Accounts } from '../../account.ts';
import type { KfAccountState } from '../../catalogue/accounts/kf-cursors.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Failure } from '../../failures.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import { QueueRefusedError } from '../../queue/refusal.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/health.ts';
import { untilAborted } from '../../runtime/timeout.ts';
import type { StoreHealth } from '../dispatch/store-health.ts';
import { driftOf } from '../verify/verifier.ts';
import type { AccountFact, Facts } from './check.ts';
import { DAYS_OBSERVED, dayOf, isSilent } from './silence.ts';

export interface FactGathererDeps {
  catalogue: Pick<Catalogue, 'alertFacts'> & {
    accounts: Pick<Catalogue['accounts'], 'list'>;
    processes: Pick<Catalogue['processes'], 'read'>;
    kfCursors: Pick<Catalogue['kfCursors'], 'list'>;
    storeHold: Pick<Catalogue['storeHold'], 'read'>;
    verifications: Pick<Catalogue['verifications'], 'getLastDone'>;
  };
  queue: Pick<ArchiveQueue, 'counts' | 'probe'>;
  storeHealth: StoreHealth;
  accounts: Pick<Accounts, 'find' | 'all'>;
  health: Pick<Health, 'list' | 'refresh'>;
  clock: Pick<Clock, 'now'>;
  lifetimes: Pick<Lifetimes, 'lifetimeMs' | 'scale'>;
  process: string;
}

export interface FactGatherer {
  /** Of the whole, or of these accounts. Throws what the catalogue throws. */
  catalogue(accounts?: readonly string[]): Promise<Partial<Facts>>;
  /** Never reject; a part that does not respond until `signal` aborts does not respond. */
  queue(signal: AbortSignal): Promise<Partial<Facts>>;
  store(signal: AbortSignal): Promise<Partial<Facts>>;
  /** Of this process alone. Never rejects. */
  process(): Promise<Pick<Facts, 'now' | 'process' | 'conditions'>>;
}

/** As {@link Catalogue.stats} counts what is at risk: six hours of three days. */
const AT_RISK_SHARE = 12;
/** What arrives late is close to its deadline from the start, and is archived within seconds. */
const KNOWN_MS = 5 * 60_000;
const RECENT_MS = 6 * 3_600_000;
const FAILING_MS = 10 * 60_000;
/** It is read each hour. */
const UNREAD_MS = 3 * 3_600_000;
/** Longer than a request to the store with its quick repeats. */
const PROBE_MS = 20_000;
const WEEK_MS = 7 * 24 * 3_600_000;

export function createFactGatherer(deps: FactGathererDeps): FactGatherer {
  const { catalogue, clock, lifetimes } = deps;
  const { alertFacts: facts } = catalogue;

  async function readAccounts(now: Date, mine?: readonly string[]): Promise<AccountFact[]> {
    const states = new Map((await catalogue.accounts.list()).map((state) => [state.account, state]));
    // Rows of accounts that are not configured any more stay, and nobody is to be told of them.
    const known = deps.accounts.all
      .filter(({ account }) => mine?.includes(account) ?? true)
      .map(({ account }) => states.get(account) ?? { account });
    const silent = known.filter(({ lastCallbackAt }) => lastCallbackAt && isSilent(lastCallbackAt, now));
    if (silent.length === 0) return known;
    const oldest = Math.min(...silent.map(({ lastCallbackAt }) => lastCallbackAt!.getTime()));
    const days = await facts.callbackDays(
      silent.map(({ account }) => account),
      dayOf(new Date(oldest), -DAYS_OBSERVED),
    );
    return known.map((state) => ({ ...state, days: days.get(state.account) }));
  }

  async function readCustomerService(
    ago: (ms: number) => Date,
    mine?: readonly string[],
  ): Promise<KfAccountState[]> {
    const known = deps.accounts.all.filter(
      ({ account, product }) => product === 'wecom' && (mine?.includes(account) ?? true),
    );
    if (known.length === 0) return [];
    const states = await catalogue.kfCursors.list(known.map(({ account }) => account));
    return states.filter(({ failure, failingSince, readAt }) => {
      if (failure?.class === 'account') return true;
      if (failingSince && failingSince < ago(FAILING_MS)) return true;
      return !failure && readAt !== undefined && readAt < ago(UNREAD_MS);
    });
  }

  async function readDrift(): Promise<Partial<Facts>> {
    const last = await catalogue.verifications.getLastDone();
    if (!last?.endedAt) return {};
    return { drift: { id: last.id, count: driftOf(last.counts), total: last.done, at: last.endedAt } };
  }

  let probing: Promise<Failure | undefined> | undefined;
  let lastFailure: Failure | undefined;
  /** One at a time, whoever asks: it goes on where a caller does not wait for it. */
  function probeStore(): Promise<Failure | undefined> {
    probing ??= deps.storeHealth
      .check(AbortSignal.timeout(PROBE_MS))
      .then((failure) => {
        lastFailure = failure;
        return failure;
      })
      .finally(() => {
        probing = undefined;
      });
    return probing;
  }

  return {
    catalogue: async (mine) => {
      const now = clock.now();
      const ago = (ms: number) => new Date(now.getTime() - lifetimes.scale(ms));
      const near = new Date(now.getTime() + lifetimes.lifetimeMs / AT_RISK_SHARE);
      const [live, accounts, customerService, { hold }, atRisk, recent, week, dead, storeRefused, drift] =
        await Promise.all([
          catalogue.processes.read(),
          readAccounts(now, mine),
          readCustomerService(ago, mine),
          catalogue.storeHold.read(),
          facts.atRisk(near, ago(KNOWN_MS), mine),
          facts.closedSince('expired', ago(RECENT_MS), mine),
          facts.closedSince('expired', ago(WEEK_MS), mine),
          facts.closedSince('dead', ago(WEEK_MS), mine),
          facts.storeRefused(mine),
          // It is of the whole bucket.
          mine ? {} : readDrift(),
        ]);
      return {
        catalogue: { ok: true },
        accounts,
        customerService,
        storeHold: { hold },
        atRisk,
        expired: { recent, week },
        dead,
        storeRefused,
        ...live,
        ...drift,
      };
    },
    queue: async (signal) => {
      try {
        const [counts] = await Promise.all([deps.queue.counts(signal), deps.queue.probe(signal)]);
        return { queue: { ok: true, counts } };
      } catch (error) {
        const refused = error instanceof QueueRefusedError ? error.code : undefined;
        return { queue: { ok: false, ...(refused ? { refused } : {}) } };
      }
    },
    store: async (signal) => {
      try {
        const failure = await untilAborted(probeStore(), signal);
        return { store: failure ? { ok: false, failure } : { ok: true } };
      } catch {
        // It takes its time: what it met last says more than silence does.
        return { store: { ok: false, failure: lastFailure } };
      }
    },
    process: async () => {
      await deps.health.refresh();
      const { process } = deps;
      return { now: clock.now(), process, conditions: deps.health.list() };
    },
  };
}
