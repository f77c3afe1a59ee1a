/** Daily quotas of accounts (quota table of the API call limits page), and the calls counted against them. */
import type { Clock } from '../../runtime/clock.ts';
import { REFUSALS, type Refusal } from './access-tokens.ts';

/** Daily limits of a normal account. Those of a test account: media/get 1000, token 200. */
export const DAILY_LIMITS = {
  '/cgi-bin/media/get': 200_000,
  '/cgi-bin/token': 2_000,
  '/cgi-bin/stable_token': 500_000,
} as const;
export type CountedApi = keyof typeof DAILY_LIMITS;
export const isCounted = (path: string): path is CountedApi => path in DAILY_LIMITS;

const DAY_MS = 86_400_000;
const BEIJING_MS = 8 * 3_600_000;
const beijingDay = (at: Date): number => Math.floor((at.getTime() + BEIJING_MS) / DAY_MS);
const MONTHLY_CLEARS = { all: 10, one: 50 } as const;
export const CLEAR_LIMIT_REACHED: Refusal = {
  errcode: 48006,
  errmsg: 'forbid to clear quota because of reaching the limit',
};

export interface Usage {
  readonly limit: number;
  readonly used: number;
}

export interface Quotas {
  /** Counts a call; returns 45009 above the day's limit, until midnight in Beijing. */
  use(account: string, api: CountedApi): Refusal | undefined;
  usage(account: string, api: CountedApi): Usage;
  /** Sets another limit; undefined restores the documented one. */
  limit(account: string, api: CountedApi, max: number | undefined): void;
  /** Clears the counters as clear_quota does, ten times a month (one API: fifty); then returns 48006. */
  clear(account: string, api?: CountedApi): Refusal | undefined;
  /** Sets every counter of the account to zero. */
  reset(account: string): void;
}

export function createQuotas(options: { clock: Pick<Clock, 'now'> }): Quotas {
  const used = new Map<string, { day: number; count: number }>();
  const limits = new Map<string, number>();
  const clears = new Map<string, number>();
  const keyOf = (account: string, api: CountedApi) => `${account} ${api}`;

  function counterOf(account: string, api: CountedApi) {
    const day = beijingDay(options.clock.now());
    const key = keyOf(account, api);
    const known = used.get(key);
    const counter = known?.day === day ? known : { day, count: 0 };
    used.set(key, counter);
    return counter;
  }
  const limitOf = (account: string, api: CountedApi) => limits.get(keyOf(account, api)) ?? DAILY_LIMITS[api];
  function reset(account: string, only?: CountedApi): void {
    for (const api of Object.keys(DAILY_LIMITS).filter(isCounted))
      if (!only || api === only) used.delete(keyOf(account, api));
  }

  return {
    use: (account, api) => {
      const counter = counterOf(account, api);
      const limit = limitOf(account, api);
      if (counter.count >= limit) return REFUSALS.quota;
      counter.count++;
      return undefined;
    },
    usage: (account, api) => ({ limit: limitOf(account, api), used: counterOf(account, api).count }),
    limit: (account, api, max) => {
      if (max === undefined) limits.delete(keyOf(account, api));
      else limits.set(keyOf(account, api), max);
    },
    clear: (account, api) => {
      const month = new Date(options.clock.now().getTime() + BEIJING_MS).toISOString().slice(0, 7);
      const kind = api ? 'one' : 'all';
      const key = `${account} ${kind} ${month}`;
      const times = (clears.get(key) ?? 0) + 1;
      if (times > MONTHLY_CLEARS[kind]) return CLEAR_LIMIT_REACHED;
      clears.set(key, times);
      reset(account, api);
      return undefined;
    },
    reset: (account) => reset(account),
  };
}
