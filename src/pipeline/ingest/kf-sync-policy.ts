/** When messages of customer service are read again after a failure. Pure: of the failure, how often, and chance. */
import type { Failure } from '../../failures.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/**
 * The first wait, and the longest: they double in between. The callback's token is good for ten minutes, so that what
 * passes is tried several times with it. WeCom blocks what is beyond a limit for a minute, then for an hour.
 */
const WAITS: Readonly<Record<Failure['class'], readonly [firstMs: number, longestMs: number]>> = {
  transient: [2 * SECOND_MS, 5 * MINUTE_MS],
  token: [5 * SECOND_MS, 5 * MINUTE_MS],
  store: [5 * SECOND_MS, 5 * MINUTE_MS],
  unknown: [30 * SECOND_MS, 30 * MINUTE_MS],
  minute_limit: [MINUTE_MS, 60 * MINUTE_MS],
  day_quota: [60 * MINUTE_MS, 60 * MINUTE_MS],
  account: [5 * MINUTE_MS, 5 * MINUTE_MS],
  permanent_media: [5 * MINUTE_MS, 60 * MINUTE_MS],
};
/** Of one customer-service account alone: perhaps deleted, and then for good. */
export const SINGLE_KF_ACCOUNT_CODES: ReadonlySet<string> = new Set(['customer_service_account_unknown']);
const SINGLE_KF_ACCOUNT_MS = 60 * MINUTE_MS;

/** `failures`: in a row, this one included. From the wait to a quarter more, so that processes spread. */
export function decideSyncDelayMs(failure: Failure, failures: number, random: number): number {
  const [firstMs, longestMs] = WAITS[failure.class];
  const waitMs = SINGLE_KF_ACCOUNT_CODES.has(failure.code)
    ? SINGLE_KF_ACCOUNT_MS
    : Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 20));
  return waitMs * (1 + random / 4);
}

/** Whether it concerns the account as a whole, and not one of its customer-service accounts, or the network. */
export const isAccountWide = ({ class: its, code }: Failure): boolean =>
  (its === 'account' || its === 'minute_limit' || its === 'day_quota') && !SINGLE_KF_ACCOUNT_CODES.has(code);

const UNKNOWN_TRIES = 3;

/** Whether the cursor may be what is refused: then it is read from the beginning, and repeats meet their rows. */
export const isCursorSuspect = (failure: Failure | undefined, failures: number): boolean =>
  failures >= UNKNOWN_TRIES && (failure?.class === 'unknown' || failure?.class === 'permanent_media');
