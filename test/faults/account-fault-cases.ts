/** What must be true while an account fault is active, and after it: one case, one test. */
import type { AccountFault } from '../../src/simulator/faults/account-fault-table.ts';
import type { ResponseFault } from '../../src/simulator/media/media-id.ts';

export interface AccountFaultCase {
  readonly note: string;
  readonly accountFault?: AccountFault;
  /** In place of an account fault: a fault of every response of media/get to the account. */
  readonly responseFault?: ResponseFault;
  /** The account's token source in ACCOUNTS_FILE. */
  readonly tokenSource?: 'token';
  /** An account of WeCom. */
  readonly wecom?: true;
  /**
   * What happens while the fault is active. `held`: the account is held without attempts until the fault ends.
   * `archived`: everything is archived although the fault does not end. `retried`: each item is retried until the fault
   * ends. `dead`: each item is dead after one attempt.
   */
  readonly effect: 'held' | 'archived' | 'retried' | 'dead';
  /** The code of the hold, or of the dead items. */
  readonly code?: RegExp;
  /** How many of the items are archived before the hold. For a minute's quota less than half of them. */
  readonly archivedBefore?: number;
  /** Attempts of each item in the end; default: one where the account was held, else any number. */
  readonly attempts?: readonly [min: number, max: number];
  /** Needs a day that ends within seconds. */
  readonly needsDays?: true;
  /** Runs on every shape: holds and retries go through database and queue. */
  readonly smoke?: true;
}

const held = (
  accountFault: AccountFault,
  code: RegExp,
  note: string,
  options: Partial<AccountFaultCase> = {},
): AccountFaultCase => ({ accountFault, code, note, effect: 'held', ...options });

const archived = (
  accountFault: AccountFault,
  note: string,
  options: Partial<AccountFaultCase> = {},
): AccountFaultCase => ({ accountFault, note, effect: 'archived', ...options });

export const ACCOUNT_FAULT_CASES: readonly AccountFaultCase[] = [
  archived({ name: 'rateLimit', amount: 2 }, '40001 with a valid token gives nothing up', { smoke: true }),
  archived({ name: 'concurrencyLimit', amount: 1 }, '40001 with a valid token gives nothing up'),
  archived({ name: 'busyPercent', amount: 60 }, 'retried until everything is archived'),
  archived(
    { name: 'concurrencyLimit', amount: 1 },
    '45033 of WeCom waits for another minute, without attempts',
    {
      wecom: true,
      attempts: [1, 1],
    },
  ),
  held({ name: 'minuteQuota', amount: 2 }, /^frequency_limit$/, '45009 of WeCom is a quota of a minute', {
    archivedBefore: 2,
    wecom: true,
  }),
  held({ name: 'ipNotAllowed' }, /^ip_not_allowed$/, '60020 of WeCom holds until the address is allowed', {
    wecom: true,
  }),
  held({ name: 'minuteQuota', amount: 2 }, /^minute_limit$/, 'the rest waits for another minute', {
    archivedBefore: 2,
    smoke: true,
  }),
  held({ name: 'dayQuota', amount: 3 }, /^day_quota$/, 'the rest waits for another day', {
    archivedBefore: 3,
    needsDays: true,
  }),
  held({ name: 'tokenQuota', amount: 0 }, /^token_day_quota$/, 'no download is attempted without a token', {
    tokenSource: 'token',
    needsDays: true,
  }),
  held({ name: 'ipNotAllowed' }, /^ip_not_allowed$/, '40164 holds until the address is allowed', {
    smoke: true,
  }),
  held({ name: 'unauthorized' }, /^api_unauthorized$/, '48001 holds until the permission is back'),
  held(
    { name: 'tokenErrcode', amount: 40243 },
    /^app_secret_frozen$/,
    '40243 holds until the secret is unfrozen',
  ),
  held(
    { name: 'tokenErrcode', amount: 40125 },
    /^app_secret_wrong$/,
    '40125 holds until the secret is right',
  ),
  held(
    { name: 'tokenErrcode', amount: 89503 },
    /^ip_confirmation_pending$/,
    '89503 holds until the administrator confirms',
  ),
  { accountFault: { name: 'tokenErrcode', amount: -1 }, note: '-1 is retried', effect: 'retried' },
  {
    accountFault: { name: 'mediaErrcode', amount: -1 },
    note: '-1 is retried',
    effect: 'retried',
    smoke: true,
  },
  {
    accountFault: { name: 'mediaErrcode', amount: 40007 },
    note: '40007 makes each item dead at once',
    effect: 'dead',
    code: /^invalid_media_id$/,
    attempts: [1, 1],
    smoke: true,
  },
  held({ name: 'tokenConflict', amount: 0 }, /^token_conflict$/, 'at every call holds and is logged', {
    attempts: [1, 8],
  }),
  {
    responseFault: { name: 'tokenRefused' },
    note: 'always: attempts are bounded, then the account is held',
    effect: 'held',
    code: /^token_conflict$/,
    attempts: [1, 8],
  },
  {
    responseFault: { name: 'tokenExpired' },
    note: 'always: attempts are bounded, then the account is held',
    effect: 'held',
    code: /^token_conflict$/,
    attempts: [1, 8],
  },
  archived({ name: 'classicRefresher', amount: 0 }, 'does not change a stable token', { attempts: [1, 1] }),
  archived(
    { name: 'classicRefresher', amount: 300 },
    'invalidates a classic token at its second call, and the token is replaced',
    { tokenSource: 'token' },
  ),
];

export const caseName = ({ accountFault, responseFault, note }: AccountFaultCase): string =>
  `${accountFault?.name ?? responseFault?.name}: ${note}`;
