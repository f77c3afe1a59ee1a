/** When a failed media is tried again: a pure function of the failure, the tries so far and the time left. */
import type { Failure } from '../../failures.ts';
import type { WaitingReason } from '../../media.ts';
import { isMediaGone } from '../../wechat/api/errcodes.ts';

export interface RetryFacts {
  readonly failure: Failure;
  /** Tries spent, the one that just failed included. */
  readonly attempts: number;
  /** When the try began that just failed; it may have been half a minute ago, and before the deadline. */
  readonly startedAt: Date;
  readonly now: Date;
  readonly expiresAt: Date;
  readonly closesAt: Date;
  /** The far end's own word on when to come back (Retry-After), in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** In [0, 1). */
  readonly random: number;
  /** A policy duration in real milliseconds ({@link import('../../runtime/clock.ts').Lifetimes}). */
  scale(ms: number): number;
}

export type RetryDecision =
  | { readonly next: 'dead'; readonly spent: true }
  | { readonly next: 'expired'; readonly spent: true }
  | { readonly next: 'retry'; readonly at: Date; readonly reason: WaitingReason; readonly spent: boolean }
  /** The account waits as a whole until `at`; this media with it, no try spent. */
  | { readonly next: 'holdAccount'; readonly at: Date; readonly spent: false };

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Waits before the second and third try, jitter included: three tries within 30 s. */
const QUICK_RETRIES_MS = [
  { least: 1 * SECOND_MS, spread: 3 * SECOND_MS },
  { least: 6 * SECOND_MS, spread: 12 * SECOND_MS },
] as const;
const MAX_UNKNOWN_ATTEMPTS = 3;
const FIRST_BACKOFF_MS = 1 * MINUTE_MS;
const MIN_BACKOFF_MS = 20 * SECOND_MS;
/** No wait is longer than this part of the life left: tries grow denser towards the deadline. */
const MAX_SHARE_OF_TIME_LEFT = 1 / 8;
/** No wait is shorter than this part of its ceiling: with full jitter alone, bad dice know no bound of tries. */
const MIN_JITTER_SHARE = 1 / 8;
const ACCOUNT_PROBE_MS = 5 * MINUTE_MS;
/** Beijing keeps no summer time. */
const BEIJING_OFFSET_MS = 8 * HOUR_MS;
const DAY_MS = 24 * HOUR_MS;

/** Milliseconds until the next Beijing midnight, where WeChat's daily quotas are taken to begin anew. */
export function untilBeijingMidnightMs(now: Date): number {
  return DAY_MS - ((now.getTime() + BEIJING_OFFSET_MS) % DAY_MS);
}

export const beijingMidnightBefore = (now: Date): Date =>
  new Date(now.getTime() + untilBeijingMidnightMs(now) - DAY_MS);

export function decideNextAttempt(situation: RetryFacts): RetryDecision {
  const { failure, now, random, scale } = situation;
  const inMs = (ms: number) => new Date(now.getTime() + ms);
  switch (failure.class) {
    case 'permanent_media':
      return isMediaGone(failure) && now >= situation.expiresAt
        ? { next: 'expired', spent: true }
        : { next: 'dead', spent: true };
    case 'minute_limit': {
      const restMs = scale(MINUTE_MS) - (now.getTime() % scale(MINUTE_MS));
      return {
        next: 'holdAccount',
        at: inMs(Math.max(restMs, situation.retryAfterMs ?? 0) + random * scale(5 * SECOND_MS)),
        spent: false,
      };
    }
    case 'day_quota':
      return {
        next: 'holdAccount',
        at: inMs(scale(untilBeijingMidnightMs(now)) + random * scale(10 * MINUTE_MS)),
        spent: false,
      };
    case 'account':
      return {
        next: 'holdAccount',
        at: inMs(scale(ACCOUNT_PROBE_MS) * (0.8 + 0.4 * random)),
        spent: false,
      };
    case 'unknown':
      if (situation.attempts >= MAX_UNKNOWN_ATTEMPTS) return { next: 'dead', spent: true };
      return decideRetry(situation);
    case 'token':
    case 'transient':
    case 'store':
      return decideRetry(situation);
  }
}

function decideRetry(situation: RetryFacts): RetryDecision {
  const { startedAt, now, expiresAt, closesAt, attempts: tries, random, scale } = situation;
  if (now >= closesAt) return { next: 'expired', spent: true };
  const retry = (at: Date): RetryDecision => ({ next: 'retry', at, reason: 'retry', spent: true });

  // The far end's wish counts as long as it leaves enough of the life: an hour asked for in the last one would be all.
  const lifeLeftMs = (now < expiresAt ? expiresAt : closesAt).getTime() - now.getTime();
  const askedMs = Math.min(situation.retryAfterMs ?? 0, lifeLeftMs * MAX_SHARE_OF_TIME_LEFT);

  const quick = QUICK_RETRIES_MS[tries - 1];
  if (quick) {
    const waitMs = scale(quick.least + random * quick.spread);
    return retry(new Date(now.getTime() + Math.max(waitMs, askedMs)));
  }
  // The one last try has been made: the row waits, out of the feeder's reach, for the sweeper to close it.
  const closingMs = closesAt.getTime() - expiresAt.getTime();
  if (startedAt >= expiresAt) return retry(new Date(closesAt.getTime() + closingMs));
  const pastMs = Math.max(now.getTime(), expiresAt.getTime());
  const last = retry(new Date(pastMs + (closesAt.getTime() - pastMs) * (0.1 + 0.6 * random)));
  if (now >= expiresAt) return last;

  const ceilingMs = Math.min(
    scale(FIRST_BACKOFF_MS) * 2 ** Math.min(tries - 3, 20),
    lifeLeftMs * MAX_SHARE_OF_TIME_LEFT,
  );
  const waitMs = Math.max(scale(MIN_BACKOFF_MS), ceilingMs * Math.max(MIN_JITTER_SHARE, random), askedMs);
  if (waitMs < lifeLeftMs) return retry(new Date(now.getTime() + waitMs));
  return last;
}
