/** When a failed item is attempted again: a pure function of the failure, the attempts so far and the time left. */
import type { Failure } from '../../failures.ts';
import type { WaitingReason } from '../../media.ts';
import { isMediaGone } from '../../wechat/api/errcodes.ts';

export interface RetryFacts {
  readonly failure: Failure;
  /** Counted attempts, including the one that just failed. */
  readonly attempts: number;
  /** When the failed attempt began; that may have been half a minute ago, and before the deadline. */
  readonly startedAt: Date;
  readonly now: Date;
  readonly expiresAt: Date;
  readonly closesAt: Date;
  /** The wait that the server asked for (Retry-After), in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** In [0, 1). */
  readonly random: number;
  /** A policy duration in real milliseconds ({@link import('../../runtime/clock.ts').Lifetimes}). */
  scale(ms: number): number;
}

export type RetryDecision =
  | { readonly next: 'dead' }
  | { readonly next: 'expired' }
  | { readonly next: 'retry'; readonly at: Date; readonly reason: WaitingReason }
  /** The account as a whole waits until `at`, and the item with it; the attempt is not counted. */
  | { readonly next: 'holdAccount'; readonly at: Date };

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Waits before the second and third attempt, with jitter: three attempts within 30 s. */
const QUICK_RETRIES_MS = [
  { min: 1 * SECOND_MS, spread: 3 * SECOND_MS },
  { min: 6 * SECOND_MS, spread: 12 * SECOND_MS },
] as const;
const MAX_UNKNOWN_ATTEMPTS = 3;
const FIRST_BACKOFF_MS = 1 * MINUTE_MS;
const MIN_BACKOFF_MS = 20 * SECOND_MS;
/** No wait is longer than this part of the time left: attempts become denser towards the deadline. */
const MAX_SHARE_OF_TIME_LEFT = 1 / 8;
/** No wait is shorter than this part of its ceiling: full jitter alone would not bound the number of attempts. */
const MIN_JITTER_SHARE = 1 / 8;
const ACCOUNT_PROBE_MS = 5 * MINUTE_MS;
/** Beijing has no daylight saving time. */
const BEIJING_OFFSET_MS = 8 * HOUR_MS;
const DAY_MS = 24 * HOUR_MS;

/** Returns the milliseconds until the next Beijing midnight, when WeChat's daily quotas are assumed to reset. */
export function untilBeijingMidnightMs(now: Date): number {
  return DAY_MS - ((now.getTime() + BEIJING_OFFSET_MS) % DAY_MS);
}

export const beijingMidnightBefore = (now: Date): Date =>
  new Date(now.getTime() + untilBeijingMidnightMs(now) - DAY_MS);

export function decideNextAttempt(facts: RetryFacts): RetryDecision {
  const { failure, now, random, scale } = facts;
  const inMs = (ms: number) => new Date(now.getTime() + ms);
  switch (failure.class) {
    case 'permanent_media':
      return isMediaGone(failure) && now >= facts.expiresAt ? { next: 'expired' } : { next: 'dead' };
    case 'minute_limit': {
      const restMs = scale(MINUTE_MS) - (now.getTime() % scale(MINUTE_MS));
      return {
        next: 'holdAccount',
        at: inMs(Math.max(restMs, facts.retryAfterMs ?? 0) + random * scale(5 * SECOND_MS)),
      };
    }
    case 'day_quota':
      return {
        next: 'holdAccount',
        at: inMs(scale(untilBeijingMidnightMs(now)) + random * scale(10 * MINUTE_MS)),
      };
    case 'account':
      return {
        next: 'holdAccount',
        at: inMs(scale(ACCOUNT_PROBE_MS) * (0.8 + 0.4 * random)),
      };
    case 'unknown':
      if (facts.attempts >= MAX_UNKNOWN_ATTEMPTS) return { next: 'dead' };
      return decideRetry(facts);
    case 'token':
    case 'transient':
    case 'store':
      return decideRetry(facts);
  }
}

function decideRetry(facts: RetryFacts): RetryDecision {
  const { startedAt, now, expiresAt, closesAt, attempts, random, scale } = facts;
  if (now >= closesAt) return { next: 'expired' };
  const retry = (at: Date): RetryDecision => ({ next: 'retry', at, reason: 'retry' });

  // Retry-After counts while it leaves enough time: an hour would be all of the last one.
  const timeLeftMs = (now < expiresAt ? expiresAt : closesAt).getTime() - now.getTime();
  const askedMs = Math.min(facts.retryAfterMs ?? 0, timeLeftMs * MAX_SHARE_OF_TIME_LEFT);

  const quick = QUICK_RETRIES_MS[attempts - 1];
  if (quick) {
    const waitMs = scale(quick.min + random * quick.spread);
    return retry(new Date(now.getTime() + Math.max(waitMs, askedMs)));
  }
  // The last attempt has been made: the row waits beyond `closesAt`, where the sweeper closes it before any dispatch.
  const closingMs = closesAt.getTime() - expiresAt.getTime();
  if (startedAt >= expiresAt) return retry(new Date(closesAt.getTime() + closingMs));
  const pastMs = Math.max(now.getTime(), expiresAt.getTime());
  const last = retry(new Date(pastMs + (closesAt.getTime() - pastMs) * (0.1 + 0.6 * random)));
  if (now >= expiresAt) return last;

  const ceilingMs = Math.min(
    scale(FIRST_BACKOFF_MS) * 2 ** Math.min(attempts - 3, 20),
    timeLeftMs * MAX_SHARE_OF_TIME_LEFT,
  );
  const waitMs = Math.max(scale(MIN_BACKOFF_MS), ceilingMs * Math.max(MIN_JITTER_SHARE, random), askedMs);
  if (waitMs < timeLeftMs) return retry(new Date(now.getTime() + waitMs));
  return last;
}
