/** What must be true while an account is in trouble, and after it. One row, one test on every shape. */

import type { AccountFault } from '../../src/simulator/faults/account-fault-table.ts';
import type { ResponseFault } from '../../src/simulator/media/media-id.ts';

export interface AccountFaultCase {
  readonly note: string;
  readonly accountFault?: AccountFault;
  /** Or: what every answer of media/get to the account plays. */
  readonly responseFault?: ResponseFault;
  /** Of the account in ACCOUNTS_FILE. */
  readonly tokenSource?: 'token';
  /** An account of WeCom. */
  readonly wecom?: true;
  /**
   * `held`: the account waits as a whole, no try spent, until it is healed. `goesOn`: nobody has to heal it.
   * `retries`: each media for itself, until it is healed. `dead`: at once, each with its name.
   */
  readonly meanwhile: 'held' | 'goesOn' | 'retries' | 'dead';
  /** What the hold, or the media that are dead, are called. */
  readonly code?: RegExp;
  /** How many of the media are archived before the hold. */
  readonly before?: number;
  /** Of each media in the end; default: exactly one where the account was held, else any number. */
  readonly tries?: readonly [atLeast: number, atMost: number];
  /** A day has to be over within seconds. */
  readonly days?: true;
}

const held = (
  accountFault: AccountFault,
  code: RegExp,
  note: string,
  more: Partial<AccountFaultCase> = {},
): AccountFaultCase => ({
  accountFault,
  code,
  note,
  meanwhile: 'held',
  ...more,
});
const goesOn = (
  accountFault: AccountFault,
  note: string,
  more: Partial<AccountFaultCase> = {},
): AccountFaultCase => ({
  accountFault,
  note,
  meanwhile: 'goesOn',
  ...more,
});

export const ACCOUNT_FAULT_CASES: readonly AccountFaultCase[] = [
  goesOn({ name: 'rateLimit', amount: 2 }, '40001 with a good token is no reason to give anything up'),
  goesOn({ name: 'concurrencyLimit', amount: 1 }, '40001 with a good token is no reason to give anything up'),
  goesOn({ name: 'busyPercent', amount: 60 }, 'tried again until each has come'),
  goesOn(
    { name: 'concurrencyLimit', amount: 1 },
    'WeCom, 45033: waits for another minute, at no try’s cost',
    {
      wecom: true,
      tries: [1, 1],
    },
  ),
  held({ name: 'minuteQuota', amount: 3 }, /^frequency_limit$/, 'WeCom, 45009 is one of minutes', {
    before: 3,
    wecom: true,
  }),
  held({ name: 'ipNotAllowed' }, /^ip_not_allowed$/, 'WeCom, 60020: held until the address is allowed', {
    wecom: true,
  }),
  held({ name: 'minuteQuota', amount: 3 }, /^minute_limit$/, 'what is left waits for another minute', {
    before: 3,
  }),
  held({ name: 'dayQuota', amount: 3 }, /^day_quota$/, 'what is left waits for another day', {
    before: 3,
    days: true,
  }),
  held({ name: 'tokenQuota', amount: 0 }, /^token_day_quota$/, 'without a token nothing is asked', {
    tokenSource: 'token',
    days: true,
  }),
  held({ name: 'ipNotAllowed' }, /^ip_not_allowed$/, 'held until the address is allowed'),
  held({ name: 'unauthorized' }, /^api_unauthorized$/, 'held until the permission is back'),
  held(
    { name: 'tokenErrcode', amount: 40243 },
    /^app_secret_frozen$/,
    '40243: held until the secret is thawed',
  ),
  held(
    { name: 'tokenErrcode', amount: 40125 },
    /^app_secret_wrong$/,
    '40125: held until the secret is right',
  ),
  held(
    { name: 'tokenErrcode', amount: 89503 },
    /^ip_confirmation_pending$/,
    '89503: held until the administrator agrees',
  ),
  {
    accountFault: { name: 'tokenErrcode', amount: -1 },
    note: '-1 passes',
    meanwhile: 'retries',
  },
  { accountFault: { name: 'mediaErrcode', amount: -1 }, note: '-1 passes', meanwhile: 'retries' },
  {
    accountFault: { name: 'mediaErrcode', amount: 40007 },
    note: '40007: each is dead at once',
    meanwhile: 'dead',
    code: /^invalid_media_id$/,
    tries: [1, 1],
  },
  held({ name: 'tokenConflict', amount: 0 }, /^token_conflict$/, 'at every call: held, and said', {
    tries: [1, 8],
  }),
  {
    responseFault: { name: 'tokenRefused' },
    note: 'always: bounded, then the account is held',
    meanwhile: 'held',
    code: /^token_conflict$/,
    tries: [1, 8],
  },
  {
    responseFault: { name: 'tokenExpired' },
    note: 'always: bounded, then the account is held',
    meanwhile: 'held',
    code: /^token_conflict$/,
    tries: [1, 8],
  },
  goesOn({ name: 'classicRefresher', amount: 0 }, 'does not touch a stable token', { tries: [1, 1] }),
  goesOn(
    { name: 'classicRefresher', amount: 300 },
    'a classic token dies at the second call, and is replaced',
    {
      tokenSource: 'token',
    },
  ),
];

export const caseName = ({ accountFault, responseFault, note }: AccountFaultCase): string =>
  `${accountFault?.name ?? responseFault?.name}: ${note}`;
