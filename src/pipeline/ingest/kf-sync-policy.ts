/** Decides when messages of customer service are read again after a failure. Pure. */
import type { Failure } from '../../failures.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/**
 * The first and the longest delay; they double in between. The callback's token is valid for ten minutes, so a
 * transient failure is retried several times with it. WeCom blocks calls beyond a limit for a minute, then for an hour.
 */
const DELAYS: Readonly<Record<Failure['class'], readonly [firstMs: number, longestMs: number]>> = {
  transient: [2 * SECOND_MS, 5 * MINUTE_MS],
  token: [5 * SECOND_MS, 5 * MINUTE_MS],
  store: [5 * SECOND_MS, 5 * MINUTE_MS],
  unknown: [30 * SECOND_MS, 30 * MINUTE_MS],
  minute_limit: [MINUTE_MS, 60 * MINUTE_MS],
  day_quota: [60 * MINUTE_MS, 60 * MINUTE_MS],
  account: [5 * MINUTE_MS, 5 * MINUTE_MS],
  permanent_media: [5 * MINUTE_MS, 60 * MINUTE_MS],
};
/** Codes that concern one customer-service account alone: it may be deleted, and then retrying is of no use. */
export const SINGLE_KF_ACCOUNT_CODES: ReadonlySet<string> = new Set(['customer_service_account_unknown']);
const SINGLE_KF_ACCOUNT_MS = 60 * MINUTE_MS;

/**
 * Returns the delay in milliseconds. `failures`: failures in a row, this one included. `random` (0 to 1) adds up to a
 * quarter, so that processes do not call at the same moment.
 */
export function decideSyncDelayMs(failure: Failure, failures: number, random: number): number {
  const [firstMs, longestMs] = DELAYS[failure.class];
  const delayMs = SINGLE_KF_ACCOUNT_CODES.has(failure.code)
    ? SINGLE_KF_ACCOUNT_MS
    : Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 20));
  return delayMs * (1 + random / 4);
}

/** Whether a failure concerns the account as a whole, and neither one customer-service account nor the network. */
export const isAccountWide = ({ class: failureClass, code }: Failure): boolean =>
  ['account', 'minute_limit', 'day_quota'].includes(failureClass) && !SINGLE_KF_ACCOUNT_CODES.has(code);

const CURSOR_ATTEMPTS = 3;

/** Whether the cursor may be what is refused: then reading starts from the beginning, and repeats meet their rows. */
export const isCursorSuspect = (failure: Failure | undefined, failures: number): boolean =>
  failures >= CURSOR_ATTEMPTS && (failure?.class === 'unknown' || failure?.class === 'permanent_media');
