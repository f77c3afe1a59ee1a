/** The day's quota of media/get, where the platform lets the account read it. */
import type { Account } from '../../account.ts';
import type { WechatApi } from '../api/client.ts';
import type { Tokens } from '../tokens/tokens.ts';

export interface Quota {
  /** Calls a day; grows with the number of followers. */
  readonly dailyLimit: number;
  readonly used: number;
  readonly remain: number;
}

/** Throws the signal's reason alone. */
export type QuotaReader = (account: Account, signal: AbortSignal) => Promise<Quota | undefined>;

const PATH = '/cgi-bin/openapi/quota/get';
const COUNTED = '/cgi-bin/media/get';

/**
 * Reads how much of the day is left: after 45009 it tells the day's end from a minute's limit, which some accounts
 * meet under the same number. Undefined where it cannot be read (WeCom has no such call; permissions; a failure): what
 * is not known changes nothing.
 */
export function createQuotaReader(deps: {
  api: Pick<WechatApi, 'call'>;
  tokens: Pick<Tokens, 'get'>;
}): QuotaReader {
  return async (account, signal) => {
    if (account.product === 'wecom') return undefined;
    try {
      const { value } = await deps.tokens.get(account, signal);
      const answer = await deps.api.call(
        {
          product: account.product,
          endpoint: 'quota',
          path: PATH,
          query: { access_token: value },
          body: { cgi_path: COUNTED },
          secrets: [account.secret, value],
        },
        signal,
      );
      const { daily_limit, used, remain } = Object(answer.quota) as Record<string, unknown>;
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
