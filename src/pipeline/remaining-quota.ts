/** What is left of an account's day at WeChat, when a refusal raises the question; what is read is kept for its page. */
import type { Accounts } from '../account.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Clock } from '../clock.ts';
import type { Quota, QuotaReader } from '../wechat/quota.ts';

/** Undefined where it cannot be known. Never rejects. */
export type ReadQuota = (account: string) => Promise<Pick<Quota, 'remain'> | undefined>;

export interface QuotaDeps {
  quotaOf: QuotaReader;
  accounts: Pick<Accounts, 'find'>;
  catalogue: { accounts: Pick<Catalogue['accounts'], 'noteQuota'> };
  clock: Pick<Clock, 'now'>;
}

const QUOTA_MS = 5_000;

export function createReadQuota({ quotaOf, accounts, catalogue, clock }: QuotaDeps): ReadQuota {
  return async (name) => {
    const account = accounts.find(name);
    const quota = account && (await quotaOf(account, AbortSignal.timeout(QUOTA_MS)).catch(() => undefined));
    if (!quota) return undefined;
    const note = { ...quota, readAt: clock.now().toISOString() };
    await catalogue.accounts.noteQuota(name, note).catch(() => undefined);
    return quota;
  };
}
