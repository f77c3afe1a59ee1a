/** Reads the facts that the checks are computed from, with a few small queries. */

import type { Accounts } from '../../account.ts';
import type { KfAccountState } from '../../catalogue/accounts/kf-cursors.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { DatabaseUnavailableError } from '../../catalogue/database/database.ts';
import type { Failure } from '../../failures.ts';
import type { ArchiveQueue } from '../../queue/queue.ts';
import { QueueRefusedError } from '../../queue/refusal.ts';
import { AT_RISK_SHARE, type Clock, KNOWN_MS, type Lifetimes } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/health.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createRepeatedLog } from '../../runtime/repeated-log.ts';
import { untilAborted } from '../../runtime/timeout.ts';
import type { StoreHealth } from '../dispatch/store-health.ts';
import { driftOf } from '../verify/verifier.ts';
import { FAILING_ALERT_MS } from '../webhooks/retry-policy.ts';
import type { AccountFact, Facts } from './check.ts';
import { DAYS_OBSERVED, dayOf, isSilent } from './silence.ts';

export interface FactGathererDeps {
  catalogue: Pick<Catalogue, 'alertFacts'> & {
    events: Pick<Catalogue['events'], 'oldestWaiting'>;
    accounts: Pick<Catalogue['accounts'], 'list'>;
    processes: Pick<Catalogue['processes'], 'read'>;
    kfCursors: Pick<Catalogue['kfCursors'], 'list'>;
    storeHold: Pick<Catalogue['storeHold'], 'read'>;
    verifications: Pick<Catalogue['verifications'], 'getLastDone'>;
    webhooks: { endpoints: Pick<Catalogue['webhooks']['endpoints'], 'list'> };
  };
  queue: Pick<ArchiveQueue, 'counts' | 'probe'>;
  storeHealth: StoreHealth;
  accounts: Pick<Accounts, 'find' | 'all'>;
  health: Pick<Health, 'list' | 'refresh'>;
  clock: Pick<Clock, 'now'>;
  lifetimes: Pick<Lifetimes, 'lifetimeMs' | 'scale'>;
  process: string;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors'>;
}

export interface FactGatherer {
  /** Reads the facts of the installation, or of these accounts. Rejects with the errors of the catalogue. */
  catalogue(accounts?: readonly string[]): Promise<Partial<Facts>>;
  /** Never rejects: a queue that has not responded when `signal` aborts counts as unavailable. */
  queue(signal: AbortSignal): Promise<Partial<Facts>>;
  /** Never rejects, like `queue`. */
  store(signal: AbortSignal): Promise<Partial<Facts>>;
  /** Reads the conditions of this process. Never rejects. */
  process(): Promise<Pick<Facts, 'now' | 'process' | 'conditions'>>;
}

const RECENT_MS = 6 * 3_600_000;
const FAILING_MS = 10 * 60_000;
/** Messages are read each hour. */
const UNREAD_MS = 3 * 3_600_000;
/** Longer than a request to the store with its quick retries. */
const PROBE_MS = 20_000;

const LOOP = 'checks';

const isTimeout = (error: unknown) => error instanceof DOMException && error.name === 'TimeoutError';

export function createFactGatherer(deps: FactGathererDeps): FactGatherer {
  const errors = createRepeatedLog(deps.log);
  const { catalogue, clock, lifetimes } = deps;
  const { alertFacts: facts } = catalogue;

  /** A check that cannot read its facts shows a component as unavailable, so an unexpected error is logged here. */
  function reportError(error: unknown, component: string): void {
    deps.metrics.backgroundErrors.inc({ loop: LOOP });
    errors.write('warn', component, { err: error, component }, 'checks: facts not read');
  }

  async function readAccounts(now: Date, mine?: readonly string[]): Promise<AccountFact[]> {
    const states = new Map((await catalogue.accounts.list()).map((state) => [state.account, state]));
    // Accounts that are not configured any more keep their rows, but are not checked.
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
    if (!last?.endedAt) return { drift: null };
    return { drift: { id: last.id, count: driftOf(last.counts), total: last.done, at: last.endedAt } };
  }

  async function readEvents(): Promise<Partial<Facts>> {
    return { events: { waitingSince: await catalogue.events.oldestWaiting() } };
  }

  async function readWebhooks(failingBefore: Date, mine?: readonly string[]): Promise<Partial<Facts>> {
    const all = await catalogue.webhooks.endpoints.list();
    const known = mine
      ? all.filter(({ accounts }) => accounts?.every((account) => mine.includes(account)) ?? false)
      : all;
    return {
      webhooks: {
        failing: known.filter(
          ({ disabled, failingSince }) => !disabled && failingSince && failingSince <= failingBefore,
        ),
        disabled: known.filter(({ disabled }) => disabled && ['gone', 'failing'].includes(disabled.reason)),
      },
    };
  }

  async function readCatalogue(mine?: readonly string[]): Promise<Partial<Facts>> {
    const now = clock.now();
    const ago = (ms: number) => new Date(now.getTime() - lifetimes.scale(ms));
    const near = new Date(now.getTime() + lifetimes.lifetimeMs / AT_RISK_SHARE);
    const [
      live,
      accounts,
      customerService,
      { hold },
      atRisk,
      recent,
      all,
      dead,
      storeRefused,
      drift,
      waiting,
      webhooks,
    ] = await Promise.all([
      catalogue.processes.read(deps.accounts.all.map(({ account }) => account)),
      readAccounts(now, mine),
      readCustomerService(ago, mine),
      catalogue.storeHold.read(),
      facts.atRisk(near, ago(KNOWN_MS), mine),
      facts.unacknowledged('expired', { after: ago(RECENT_MS), accounts: mine }),
      facts.unacknowledged('expired', { accounts: mine }),
      facts.unacknowledged('dead', { accounts: mine }),
      facts.storeRefused(mine),
      // A verification covers the whole bucket, not single accounts.
      mine ? {} : readDrift(),
      mine ? {} : readEvents(),
      readWebhooks(ago(FAILING_ALERT_MS), mine),
    ]);
    return {
      catalogue: { ok: true },
      accounts,
      customerService,
      storeHold: { hold },
      atRisk,
      expired: { recent, all },
      dead,
      storeRefused,
      ...live,
      ...drift,
      ...waiting,
      ...webhooks,
    };
  }

  let probing: Promise<Failure | undefined> | undefined;
  let lastFailure: Failure | undefined;
  /** One probe at a time for all callers. It goes on when a caller stops waiting. */
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
      try {
        return await readCatalogue(mine);
      } catch (error) {
        // An unavailable database is a finding of its own. Any other error is a defect.
        if (!(error instanceof DatabaseUnavailableError)) reportError(error, 'catalogue');
        throw error;
      }
    },
    queue: async (signal) => {
      try {
        const [counts] = await Promise.all([deps.queue.counts(signal), deps.queue.probe(signal)]);
        return { queue: { ok: true, counts } };
      } catch (error) {
        const refused = error instanceof QueueRefusedError ? error.code : undefined;
        if (!refused && !signal.aborted) reportError(error, 'queue');
        return { queue: { ok: false, ...(refused ? { refused } : {}) } };
      }
    },
    store: async (signal) => {
      try {
        const failure = await untilAborted(probeStore(), signal);
        return { store: failure ? { ok: false, failure } : { ok: true } };
      } catch (error) {
        if (!signal.aborted && !isTimeout(error)) reportError(error, 'store');
        // Too slow: its last failure is more specific than the missing response.
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
