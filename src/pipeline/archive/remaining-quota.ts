/** How many calls WeChat leaves an account today: read when a failure raises the question, and regularly for display. */
import type { Accounts } from '../../account.ts';
import type { AccountQuota, AccountState } from '../../catalogue/accounts/accounts.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import { createLease } from '../../runtime/lease.ts';
import { createPollLoop, type PollLoop, type PollLoopDeps } from '../../runtime/poll-loop.ts';
import type { Quota, QuotaReader } from '../../wechat/media/quota.ts';
import { beijingMidnightBefore } from './retry-policy.ts';

/** Reads the quota of an account and saves it. Resolves with undefined where it cannot be known. Never rejects. */
export type ReadQuota = (account: string) => Promise<Pick<Quota, 'remain'> | undefined>;

export interface QuotaDeps {
  quotaOf: QuotaReader;
  accounts: Pick<Accounts, 'find'>;
  catalogue: { accounts: Pick<Catalogue['accounts'], 'saveQuota'> };
  clock: Pick<Clock, 'now'>;
}

const READ_TIMEOUT_MS = 5_000;

export function createReadQuota({ quotaOf, accounts, catalogue, clock }: QuotaDeps): ReadQuota {
  return async (name) => {
    const account = accounts.find(name);
    if (!account) return undefined;
    const quota = await quotaOf(account, AbortSignal.timeout(READ_TIMEOUT_MS)).catch(() => undefined);
    if (!quota) return undefined;
    const reading = { ...quota, readAt: clock.now().toISOString() };
    await catalogue.accounts.saveQuota(name, reading).catch(() => undefined);
    return quota;
  };
}

/** Returns the reading, or undefined where it is older than the last reset: then it says nothing about today. */
export function quotaOfToday(quota: AccountQuota | undefined, now: Date): AccountQuota | undefined {
  return quota && Date.parse(quota.readAt) >= beijingMidnightBefore(now).getTime() ? quota : undefined;
}

export interface QuotaLoopDeps extends PollLoopDeps {
  readQuota: ReadQuota;
  accounts: Pick<Accounts, 'all'>;
  catalogue: Pick<Catalogue, 'leases'> & { accounts: Pick<Catalogue['accounts'], 'list'> };
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
}

const MINUTE_MS = 60_000;
const POLL_MS = MINUTE_MS;
const READ_EVERY_MS = 10 * MINUTE_MS;
/** An account that may not read its quota (48001) is not asked again for so long. */
const REFUSED_MS = 6 * 60 * MINUTE_MS;

/** Reads the quota of every official account that has a token, each every ten minutes, in one process of all. */
export function createQuotaLoop(deps: QuotaLoopDeps): PollLoop {
  const { accounts, catalogue, clock, log, metrics } = deps;
  const { scale } = deps.lifetimes;
  const lease = createLease(
    { leases: catalogue.leases, clock },
    { name: 'quota', durationMs: 2 * scale(POLL_MS) },
  );
  const refusedAt = new Map<string, number>();

  function isDue({ account, tokenExpiresAt, quota }: AccountState, now: Date): boolean {
    const elapsedMs = (sinceMs: number) => now.getTime() - sinceMs;
    // No token is issued only to read a quota.
    if (!tokenExpiresAt || tokenExpiresAt <= now) return false;
    if (elapsedMs(refusedAt.get(account) ?? 0) < scale(REFUSED_MS)) return false;
    const today = quotaOfToday(quota, now);
    return !today || elapsedMs(Date.parse(today.readAt)) >= scale(READ_EVERY_MS);
  }

  async function readDue(signal: AbortSignal): Promise<void> {
    if (!(await lease.take())) return;
    const now = clock.now();
    const official = accounts.all.filter(({ product }) => product === 'official');
    const names = new Set(official.map(({ account }) => account));
    for (const state of await catalogue.accounts.list()) {
      if (signal.aborted) return;
      if (!names.has(state.account) || !isDue(state, now)) continue;
      if (!(await deps.readQuota(state.account))) refusedAt.set(state.account, now.getTime());
    }
  }

  return createPollLoop({
    name: 'quota',
    everyMs: scale(POLL_MS),
    waitsFirst: true,
    work: readDue,
    sleep: clock.sleep,
    lease,
    log,
    metrics,
  });
}
