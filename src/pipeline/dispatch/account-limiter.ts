/** Limits the downloads of one account that run at once: WeChat responds to bursts with a false 40001. */
import { createLimiter, type Release } from '../../runtime/concurrency/limiter.ts';
import type { ConcurrencyShares } from './concurrency-share.ts';

export interface AccountLimiter {
  /**
   * Resolves with the release of a place, or with undefined where none came free within `timeoutMs`. The caller then
   * requeues its job, so that one slow account does not occupy every place of the worker.
   */
  acquire(
    account: string,
    concurrency: number,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Release | undefined>;
}

/** `shareOf`: the part of an account's concurrency that this process may use. Default: all of it. */
export function createAccountLimiter(
  shareOf: ConcurrencyShares['shareOf'] = (_account, concurrency) => concurrency,
): AccountLimiter {
  const limiter = createLimiter();
  return {
    acquire: (account, concurrency, timeoutMs, signal) =>
      limiter.acquire(account, { limit: shareOf(account, concurrency), waitMs: timeoutMs }, signal),
  };
}
