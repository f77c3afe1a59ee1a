/** Decides whether an account has been silent for unusually long. */
import type { AccountFact } from './check.ts';

const DAY_MS = 86_400_000;
const BUSY_MESSAGES = 20;
const BUSY_DAYS = 7;
export const DAYS_OBSERVED = 28;
const MIN_DAYS = 3;

/** Returns the UTC day of `date`, `offset` days later: `2026-01-31`. */
export const dayOf = (date: Date, offset = 0): string =>
  new Date(date.getTime() + offset * DAY_MS).toISOString().slice(0, 10);

/** For shorter silences the days need not be read: {@link usualSilenceMs} returns at least a day. */
export const isSilent = (lastCallbackAt: Date, now: Date): boolean =>
  now.getTime() - lastCallbackAt.getTime() > DAY_MS;

/**
 * Returns the longest usual silence of an account, by the 28 days up to its last callback, or undefined where it gets too
 * few messages to decide. Only whole days without a message count, so a night, a weekend or a slow business raises no
 * alert: a silence of two days more than the longest run of empty days is unusual.
 */
export function usualSilenceMs(
  days: ReadonlyMap<string, number> | undefined,
  lastCallbackAt: Date,
): number | undefined {
  const counts = Array.from(
    { length: DAYS_OBSERVED },
    (_, back) => days?.get(dayOf(lastCallbackAt, -back)) ?? 0,
  );
  if (counts.filter((count) => count > 0).length < MIN_DAYS) return undefined;
  // The day of the last callback is incomplete, so the seven days before it count.
  if (counts.slice(1, 1 + BUSY_DAYS).every((count) => count >= BUSY_MESSAGES)) return DAY_MS;
  let run = 0;
  let longest = 0;
  // Days before its first message do not count: the account may not have been connected yet.
  for (const count of counts.slice(0, counts.findLastIndex((one) => one > 0) + 1)) {
    run = count > 0 ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  return (longest + 2) * DAY_MS;
}

/** Returns the time of the last callback where the account has been silent for longer than usual. */
export function silentSince(
  { lastCallbackAt, days }: Pick<AccountFact, 'lastCallbackAt' | 'days'>,
  now: Date,
): Date | undefined {
  if (!lastCallbackAt) return undefined;
  const usualMs = usualSilenceMs(days, lastCallbackAt);
  const silentMs = now.getTime() - lastCallbackAt.getTime();
  return usualMs === undefined || silentMs <= usualMs ? undefined : lastCallbackAt;
}
