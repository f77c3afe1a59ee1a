/** Reads the daily quota of media/get, if the platform allows the account to read it. */
import type { Account } from '../../account.ts';
import type { WechatApi } from '../api/client.ts';
import type { Tokens } from '../tokens/tokens.ts';

export interface Quota {
  /** Calls per day. It grows with the number of followers. */
  readonly dailyLimit: number;
  readonly used: number;
  readonly remain: number;
}

/** Resolves with undefined if the quota cannot be read. Rejects only with the signal's reason. */
export type QuotaReader = (account: Account, signal: AbortSignal) => Promise<Quota | undefined>;

const PATH = '/cgi-bin/openapi/quota/get';
const QUERIED_PATH = '/cgi-bin/media/get';

/**
 * Creates a reader of the daily quota. After 45009 the quota shows whether the daily quota is used up or a limit per
 * minute was reached: some accounts get the same errcode for both. The quota cannot be read for WeCom, which has no
 * such call, without the permission, or when the call fails.
 */
export function createQuotaReader(deps: {
  api: Pick<WechatApi, 'call'>;
  tokens: Pick<Tokens, 'get'>;
}): QuotaReader {
  return async (account, signal) => {
    if (account.product === 'wecom') return undefined;
    try {
      const { value } = await deps.tokens.get(account, signal);
      const response = await deps.api.call(
        {
          product: account.product,
          endpoint: 'quota',
          path: PATH,
          query: { access_token: value },
          body: { cgi_path: QUERIED_PATH },
          secrets: [account.secret, value],
        },
        signal,
      );
      const { daily_limit, used, remain } = Object(response.quota) as Record<string, unknown>;
      const counts = [daily_limit, used, remain].map(Number);
      if (!counts.every((count) => Number.isSafeInteger(count))) return undefined;
      const [dailyLimit, usedCount, left] = counts as [number, number, number];
      return { dailyLimit, used: usedCount, remain: Math.max(0, left) };
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  };
}
