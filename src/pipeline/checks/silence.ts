/** How long an account may be silent before it is strange. */
import type { AccountFact } from './check.ts';

const DAY_MS = 86_400_000;
const BUSY_MESSAGES = 20;
const BUSY_DAYS = 7;
export const DAYS_OBSERVED = 28;
const LEAST_DAYS = 3;

/** The day of `date`, `offset` days later; UTC, `2026-01-31`. */
export const dayOf = (date: Date, offset = 0): string =>
  new Date(date.getTime() + offset * DAY_MS).toISOString().slice(0, 10);

/** Shorter silences need no look at the days: a day is the least that {@link usualSilenceMs} returns. */
export const isSilent = (lastCallbackAt: Date, now: Date): boolean =>
  now.getTime() - lastCallbackAt.getTime() > DAY_MS;

/**
 * How long an account may be silent before it is strange, by the 28 days up to its last callback; undefined where it
 * gets too little to tell. Whole empty days are counted, so a night, a weekend off or a slow shop is no alarm: a
 * silence of two days more than ever before must hold a longer run of empty days than any before it.
 */
export function usualSilenceMs(
  days: ReadonlyMap<string, number> | undefined,
  lastCallbackAt: Date,
): number | undefined {
  const counts = Array.from(
    { length: DAYS_OBSERVED },
    (_, back) => days?.get(dayOf(lastCallbackAt, -back)) ?? 0,
  );
  if (counts.filter((count) => count > 0).length < LEAST_DAYS) return undefined;
  // The day of the last callback is not over for it: the week before.
  if (counts.slice(1, 1 + BUSY_DAYS).every((count) => count >= BUSY_MESSAGES)) return DAY_MS;
  let run = 0;
  let longest = 0;
  // Before its first message the account may not have been connected.
  for (const count of counts.slice(0, counts.findLastIndex((one) => one > 0) + 1)) {
    run = count > 0 ? 0 : run + 1;
    longest = Math.max(longest, run);
  }
  return (longest + 2) * DAY_MS;
}

/** The last callback of an account that has been silent for strangely long. */
export function silentSince(
  { lastCallbackAt, days }: Pick<AccountFact, 'lastCallbackAt' | 'days'>,
  now: Date,
): Date | undefined {
  if (!lastCallbackAt) return undefined;
  const usualMs = usualSilenceMs(days, lastCallbackAt);
  const silentMs = now.getTime() - lastCallbackAt.getTime();
  return usualMs === undefined || silentMs <= usualMs ? undefined : lastCallbackAt;
}
