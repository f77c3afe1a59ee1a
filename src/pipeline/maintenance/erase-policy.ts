/** When an erasure that is not finished is tried again. Real time: stores and their locks know no other. */
import type { Unfinished } from '../../catalogue/erasure/erase-media.ts';

const BUSY_MS = 1_000;
const LEAST_MS = 5_000;
const MOST_MS = 3_600_000;
const DAY_MS = 24 * 3_600_000;

/**
 * Soon while a try is in flight. After trouble when as long again has passed as the erasure has taken so far, between
 * 5 s and an hour. What is locked until a date waits for it, but no longer than a day: a lock may be shortened.
 */
export function decideNextErase(unfinished: Unfinished, since: Date, now: Date): Date {
  const at = (ms: number) => new Date(now.getTime() + ms);
  if (unfinished.why === 'busy') return at(BUSY_MS);
  const patienceMs = Math.min(Math.max(now.getTime() - since.getTime(), LEAST_MS), MOST_MS);
  if (unfinished.why === 'trouble') return at(patienceMs);
  const ends = unfinished.left.map(({ until }) => (until ? Date.parse(until) : Number.NaN));
  if (ends.some(Number.isNaN)) return at(patienceMs);
  return at(Math.max(Math.min(Math.min(...ends) - now.getTime(), DAY_MS), patienceMs));
}
