/** What is left of an account's day at WeChat: asked when a refusal raises the question, and now and then for its page. */
import type { Accounts } from '../../account.ts';
import type { AccountQuota, AccountState } from '../../catalogue/accounts/accounts.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Quota, QuotaReader } from '../../wechat/media/quota.ts';
import { beijingMidnightBefore } from './retry-policy.ts';

/** Undefined where it cannot be known. Never rejects. */
export type ReadQuota = (account: string) => Promise<Pick<Quota, 'remain'> | undefined>;

export interface QuotaDeps {
  quotaOf: QuotaReader;
  accounts: Pick<Accounts, 'find'>;
  catalogue: { accounts: Pick<Catalogue['accounts'], 'saveQuota'> };
  clock: Pick<Clock, 'now'>;
}

const QUOTA_MS = 5_000;

export function createQuotaRefresh({ quotaOf, accounts, catalogue, clock }: QuotaDeps): ReadQuota {
  return async (name) => {
    const account = accounts.find(name);
    const quota = account && (await quotaOf(account, AbortSignal.timeout(QUOTA_MS)).catch(() => undefined));
    if (!quota) return undefined;
    const note = { ...quota, readAt: clock.now().toISOString() };
    await catalogue.accounts.saveQuota(name, note).catch(() => undefined);
    return quota;
  };
}

/** What was read since the last reset: what is older tells nothing of today. */
export function quotaOfToday(quota: AccountQuota | undefined, now: Date): AccountQuota | undefined {
  return quota && Date.parse(quota.readAt) >= beijingMidnightBefore(now).getTime() ? quota : undefined;
}

export interface QuotaWatchDeps {
  readQuota: ReadQuota;
  accounts: Pick<Accounts, 'all'>;
  catalogue: { leases: Pick<Catalogue['leases'], 'take'> } & {
    accounts: Pick<Catalogue['accounts'], 'list'>;
  };
  clock: Clock;
  lifetimes: Pick<Lifetimes, 'scale'>;
  log: Pick<Log, 'info'>;
}

const MINUTE_MS = 60_000;
const LOOK_MS = MINUTE_MS;
const READ_EVERY_MS = 10 * MINUTE_MS;
/** An account that may not ask (48001, a platform that does not tell) is left alone for so long. */
const REFUSED_MS = 6 * 60 * MINUTE_MS;
const LEASE = 'quota';

/**
 * Reads the quota of every official account that has a token anyway: one process of all, each account every ten
 * minutes. Until the signal aborts. Never rejects.
 */
export async function watchQuotas(deps: QuotaWatchDeps, holder: string, signal: AbortSignal): Promise<void> {
  const { accounts, catalogue, clock, lifetimes } = deps;
  const refusedAt = new Map<string, number>();
  const isDue = ({ account, tokenExpiresAt, quota }: AccountState, now: Date): boolean => {
    const sinceMs = (at: number) => now.getTime() - at;
    if (!tokenExpiresAt || tokenExpiresAt <= now) return false;
    if (sinceMs(refusedAt.get(account) ?? 0) < lifetimes.scale(REFUSED_MS)) return false;
    const today = quotaOfToday(quota, now);
    return !today || sinceMs(Date.parse(today.readAt)) >= lifetimes.scale(READ_EVERY_MS);
  };

  async function look(): Promise<void> {
    const now = clock.now();
    const until = new Date(now.getTime() + 2 * lifetimes.scale(LOOK_MS));
    if (!(await catalogue.leases.take(LEASE, holder, now, until))) return;
    const official = new Set(
      accounts.all.filter(({ product }) => product === 'official').map(({ account }) => account),
    );
    for (const state of await catalogue.accounts.list()) {
      if (signal.aborted || !official.has(state.account) || !isDue(state, now)) continue;
      if (!(await deps.readQuota(state.account))) refusedAt.set(state.account, now.getTime());
    }
  }

  while (!signal.aborted) {
    await clock.sleep(lifetimes.scale(LOOK_MS), signal).catch(() => undefined);
    if (signal.aborted) return;
    await look().catch((error) => {
      // The catalogue is away: it is asked again.
      deps.log.info({ err: error }, 'quota: cannot be read now');
    });
  }
}
