/**
 * What may be wrong with an account as a whole, as a table. A behaviour spoils one answer; a trouble looks at the
 * account's requests, remembers, and refuses some of them. Several may be on at once, until they are healed.
 */
import { REFUSALS, type Refusal } from '../accounts/access-tokens.ts';
import type { CountedApi } from '../accounts/quotas.ts';
import type { Place } from './account-wide-faults.ts';
import { refusalOf, SYSTEM_BUSY } from './errcode-faults.ts';

/** What is asked for. */
export type TroubledPlace = Extract<Place, 'media' | 'token'>;

/** Where a request stands when a trouble looks at it. */
export interface Moment {
  readonly amount: number;
  readonly at: TroubledPlace;
  readonly product: 'official' | 'miniprogram' | 'wecom';
  /** Requests that this trouble has seen, this one included. */
  readonly seen: number;
  /** Of these, in the last second; in this minute of the clock; unanswered at this moment. All with this one. */
  readonly inSecond: number;
  readonly inMinute: number;
  readonly atOnce: number;
}

export interface TroubleRow {
  readonly says: string;
  readonly amount?: string;
  /** Which requests it looks at. */
  readonly at: readonly TroubledPlace[];
  /** Undefined: the request goes on. */
  refuse?(moment: Moment): Refusal | undefined;
  /** Limits the day instead: the quota counters refuse. */
  readonly limits?: CountedApi;
  /** Another refresher is at work, every so many milliseconds; `steal` kills our tokens at once. */
  readonly thief?: 'steal' | 'refresh';
}

export const TROUBLES = {
  burst: {
    says: '40001 with a good token beyond so many requests in one second',
    amount: 'requests in a second that are let through',
    at: ['media'],
    refuse: ({ inSecond, amount }) => (inSecond > amount ? REFUSALS.invalid : undefined),
  },
  crowd: {
    says: '40001 with a good token beyond so many requests at once (WeCom: 45033)',
    amount: 'requests at once that are let through',
    at: ['media'],
    refuse: ({ atOnce, amount, product }) =>
      atOnce > amount ? (product === 'wecom' ? refusalOf(45033) : REFUSALS.invalid) : undefined,
  },
  storm: {
    says: '-1 to a share of the requests, evenly spread',
    amount: 'per cent',
    at: ['media'],
    refuse: ({ seen, amount }) =>
      Math.floor((seen * amount) / 100) > Math.floor(((seen - 1) * amount) / 100) ? SYSTEM_BUSY : undefined,
  },
  minuteQuota: {
    says: '45011 beyond so many requests in a minute of the clock (WeCom: 45009)',
    amount: 'requests in a minute that are let through',
    at: ['media'],
    refuse: ({ inMinute, amount, product }) =>
      inMinute > amount ? refusalOf(product === 'wecom' ? 45009 : 45011) : undefined,
  },
  dayQuota: {
    says: '45009 beyond so many downloads, until midnight in Beijing by the simulator’s clock',
    amount: 'downloads a day',
    at: [],
    limits: '/cgi-bin/media/get',
  },
  tokenQuota: {
    says: '45009 beyond so many calls of /cgi-bin/token, until midnight in Beijing',
    amount: 'calls a day',
    at: [],
    limits: '/cgi-bin/token',
  },
  ipRefused: {
    says: '40164 to every call for a token, the address in its errmsg (WeCom: 60020, to downloads too)',
    at: ['token', 'media'],
    refuse: ({ product, at }) =>
      product === 'wecom' ? refusalOf(60020) : at === 'token' ? refusalOf(40164) : undefined,
  },
  unauthorized: {
    says: '48001 to every download',
    at: ['media'],
    refuse: () => refusalOf(48001),
  },
  tokenErrcode: {
    says: 'an errcode to every call for a token: 40243 (secret frozen), 40125, 89503, …',
    amount: 'the errcode',
    at: ['token'],
    refuse: ({ amount }) => refusalOf(amount),
  },
  mediaErrcode: {
    says: 'an errcode to every download, whatever the behaviour of the media',
    amount: 'the errcode',
    at: ['media'],
    refuse: ({ amount }) => refusalOf(amount),
  },
  tokenThief: {
    says: 'somebody else refreshes by force again and again: every token before is dead at once',
    amount: 'milliseconds between two thefts',
    at: [],
    thief: 'steal',
  },
  classicRefresher: {
    says: 'somebody else calls /cgi-bin/token again and again: the token before works five minutes more',
    amount: 'milliseconds between two calls',
    at: [],
    thief: 'refresh',
  },
} as const satisfies Record<string, TroubleRow>;

export type TroubleName = keyof typeof TROUBLES;
export const TROUBLE_NAMES = Object.keys(TROUBLES) as readonly TroubleName[];

export interface Trouble {
  readonly name: TroubleName;
  /** What the row says it means. A 32-bit integer. */
  readonly amount?: number;
  /** How many refusals before it heals by itself; absent or 0: none. */
  readonly times?: number;
}
