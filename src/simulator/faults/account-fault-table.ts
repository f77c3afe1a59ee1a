/**
 * The table of account faults. A response fault changes one response; an account fault sees all requests of an account
 * at some endpoints, counts them, and refuses some. Several may be active at once.
 */
import { REFUSALS, type Refusal } from '../accounts/access-tokens.ts';
import type { CountedApi } from '../accounts/quotas.ts';
import type { FaultEndpoint } from './account-wide-faults.ts';
import { refusalOf, SYSTEM_BUSY } from './errcode-faults.ts';

export type AccountFaultEndpoint = Extract<FaultEndpoint, 'media' | 'token'>;

/** One request, and how many others the fault has seen. All counts include this request. */
export interface RequestState {
  readonly amount: number;
  readonly endpoint: AccountFaultEndpoint;
  readonly product: 'official' | 'miniprogram' | 'wecom';
  /** Requests since the fault began. */
  readonly count: number;
  readonly inSecond: number;
  /** In this minute of the clock. */
  readonly inMinute: number;
  /** Requests without a response yet. */
  readonly concurrent: number;
}

export interface AccountFaultSpec {
  readonly description: string;
  /** The meaning of the amount; absent: it has none. */
  readonly amount?: string;
  /** Where it sees requests. */
  readonly endpoints: readonly AccountFaultEndpoint[];
  /** Returns undefined to let the request pass. */
  refuse?(request: RequestState): Refusal | undefined;
  /** The API whose daily quota the amount replaces; the quota counters then refuse. */
  readonly limitedApi?: CountedApi;
  /** A second refresher calls every `amount` milliseconds: `force` invalidates the service's tokens at once. */
  readonly otherRefresher?: 'force' | 'classic';
}

export const ACCOUNT_FAULTS = {
  rateLimit: {
    description: '40001 with a valid token above so many requests in one second',
    amount: 'requests in a second that pass',
    endpoints: ['media'],
    refuse: ({ inSecond, amount }) => (inSecond > amount ? REFUSALS.invalid : undefined),
  },
  concurrencyLimit: {
    description: '40001 with a valid token above so many concurrent requests (WeCom: 45033)',
    amount: 'concurrent requests that pass',
    endpoints: ['media'],
    refuse: ({ concurrent, amount, product }) =>
      concurrent > amount ? (product === 'wecom' ? refusalOf(45033) : REFUSALS.invalid) : undefined,
  },
  busyPercent: {
    description: '-1 to a share of the requests, evenly spread',
    amount: 'per cent',
    endpoints: ['media'],
    refuse: ({ count, amount }) =>
      Math.floor((count * amount) / 100) > Math.floor(((count - 1) * amount) / 100) ? SYSTEM_BUSY : undefined,
  },
  minuteQuota: {
    description: '45011 above so many requests in a minute of the clock (WeCom: 45009)',
    amount: 'requests in a minute that pass',
    endpoints: ['media'],
    refuse: ({ inMinute, amount, product }) =>
      inMinute > amount ? refusalOf(product === 'wecom' ? 45009 : 45011) : undefined,
  },
  dayQuota: {
    description: '45009 above so many downloads, until midnight in Beijing by the simulator’s clock',
    amount: 'downloads a day',
    endpoints: [],
    limitedApi: '/cgi-bin/media/get',
  },
  tokenQuota: {
    description: '45009 above so many calls of /cgi-bin/token, until midnight in Beijing',
    amount: 'calls a day',
    endpoints: [],
    limitedApi: '/cgi-bin/token',
  },
  ipNotAllowed: {
    description:
      '40164 to every call for a token, the address in its errmsg (WeCom: 60020, to downloads too)',
    endpoints: ['token', 'media'],
    refuse: ({ product, endpoint }) =>
      product === 'wecom' ? refusalOf(60020) : endpoint === 'token' ? refusalOf(40164) : undefined,
  },
  unauthorized: {
    description: '48001 to every download',
    endpoints: ['media'],
    refuse: () => refusalOf(48001),
  },
  tokenErrcode: {
    description: 'an errcode to every call for a token: 40243 (secret frozen), 40125, 89503, …',
    amount: 'the errcode',
    endpoints: ['token'],
    refuse: ({ amount }) => refusalOf(amount),
  },
  mediaErrcode: {
    description: 'an errcode to every download, before any response fault',
    amount: 'the errcode',
    endpoints: ['media'],
    refuse: ({ amount }) => refusalOf(amount),
  },
  tokenConflict: {
    description: 'a second refresher forces new tokens: each time, every earlier token is invalid at once',
    amount: 'milliseconds between two refreshes',
    endpoints: [],
    otherRefresher: 'force',
  },
  classicRefresher: {
    description:
      'a second refresher calls /cgi-bin/token: each time, the earlier token works five minutes more',
    amount: 'milliseconds between two calls',
    endpoints: [],
    otherRefresher: 'classic',
  },
} as const satisfies Record<string, AccountFaultSpec>;

export type AccountFaultName = keyof typeof ACCOUNT_FAULTS;
export const ACCOUNT_FAULT_NAMES = Object.keys(ACCOUNT_FAULTS) as readonly AccountFaultName[];

export interface AccountFault {
  readonly name: AccountFaultName;
  /** Its meaning stands in the table. A 32-bit integer. */
  readonly amount?: number;
  /** The fault ends after so many refusals; absent or 0: never. */
  readonly times?: number;
}
