/** Decides when an unfinished erasure is continued. Real time, because stores and their locks know no other. */
import type { Unfinished } from '../../catalogue/erasure/media-erasure.ts';

const BUSY_MS = 1_000;
const MIN_MS = 5_000;
const MAX_MS = 3_600_000;
const DAY_MS = 24 * 3_600_000;

/**
 * Soon while an attempt is in flight. After an error, when as much time again has passed as the erasure has taken so
 * far, between 5 s and an hour. Objects locked until a date are retried at that date, but within a day, because a lock
 * may be shortened.
 */
export function decideNextErase(unfinished: Unfinished, since: Date, now: Date): Date {
  const at = (ms: number) => new Date(now.getTime() + ms);
  if (unfinished.why === 'busy') return at(BUSY_MS);
  const backoffMs = Math.min(Math.max(now.getTime() - since.getTime(), MIN_MS), MAX_MS);
  if (unfinished.why === 'failure') return at(backoffMs);
  const ends = unfinished.left.map(({ until }) => (until ? Date.parse(until) : Number.NaN));
  if (ends.some(Number.isNaN)) return at(backoffMs);
  return at(Math.max(Math.min(Math.min(...ends) - now.getTime(), DAY_MS), backoffMs));
}
