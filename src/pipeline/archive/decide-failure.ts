/** From the facts about a failed attempt to what happens to its item and its job. Pure: no promise, no clock. */
import type { Failure } from '../../failures.ts';
import type { WaitingReason } from '../../media.ts';
import { isMediaGone } from '../../wechat/api/errcodes.ts';
import { decideNextAttempt, type RetryDecision, type RetryFacts } from './retry-policy.ts';

export interface FailureFacts extends Omit<RetryFacts, 'attempts' | 'expiresAt' | 'closesAt'> {
  /** The row as it is now; undefined where there is none. */
  readonly row:
    | {
        readonly status: string;
        /** Attempts counted so far, without the one that failed. */
        readonly attempts: number;
        readonly expiresAt?: Date | undefined;
        readonly closesAt?: Date | undefined;
      }
    | undefined;
  /** Calls that WeChat leaves the account today; undefined where that is not known. */
  readonly quotaRemain?: number | undefined;
  /** Whether the store rejects everything (`held`), or only this process, whose clock is wrong. */
  readonly storeHold?: 'held' | 'clockSkewed' | undefined;
  /** False: this process does not know what time it is. */
  readonly isClockCertain: boolean;
}

export type FailureDecision =
  /** The row is closed or gone: another attempt or an erasure was faster. */
  | { readonly next: 'superseded' }
  /** Back among the due rows, which are not dispatched while the store is held. No attempt is counted. */
  | { readonly next: 'due' }
  | { readonly next: 'dead' | 'expired' }
  /** The account is held until `at`, for this reason; the item waits with it. No attempt is counted. */
  | { readonly next: 'holdAccount'; readonly at: Date; readonly reason: Failure }
  /** The row waits, out of the queue. */
  | { readonly next: 'later'; readonly at: Date; readonly reason: WaitingReason; readonly isCounted: boolean }
  /** The job waits in the queue. */
  | { readonly next: 'retry'; readonly at: Date; readonly delayMs: number; readonly reason: WaitingReason };

/** The row may be closed only after a search of the bucket: see {@link decideClosing}. */
export interface SearchDecision {
  readonly next: 'search';
  readonly closing: 'dead' | 'expired';
}

/** What the search found; `unknown`: the bucket did not respond. */
export type SearchResult = 'found' | 'absent' | 'unknown';

export type ClosingDecision =
  | FailureDecision
  /** The search has archived the row. */
  | { readonly next: 'found' }
  /** The failure counts as one of the store: the item waits until the bucket responds. */
  | { readonly next: 'storeFailure' };

/** Waits up to this long are the queue's; longer ones go back to the row and leave the queue to other items. */
const MAX_QUEUE_WAIT_MS = 60_000;
/** No wait is longer while the time is not known. */
const UNCERTAIN_WAIT_MS = 10 * 60_000;

export function decideFailure(facts: FailureFacts): FailureDecision | SearchDecision {
  const { row, failure, now } = facts;
  if (row?.status !== 'pending' || !row.expiresAt || !row.closesAt) return { next: 'superseded' };
  // A store that rejects everything is no failure of this item.
  if (facts.storeHold) return { next: 'due' };

  const cause = causeOf(facts);
  const { attempts, expiresAt, closesAt } = row;
  const planned = decideNextAttempt({
    ...facts,
    failure: cause,
    attempts: attempts + 1,
    expiresAt,
    closesAt,
  });
  const decision = facts.isClockCertain ? planned : withoutClock(planned, now);
  switch (decision.next) {
    case 'dead':
    case 'expired':
      return mayBeStored(decision.next, failure)
        ? { next: 'search', closing: decision.next }
        : { next: decision.next };
    case 'holdAccount':
      // Perhaps unknown to this process alone: another one, with a newer ACCOUNTS_FILE, may know the account.
      return failure.code === 'account_unknown'
        ? { next: 'later', at: decision.at, reason: 'accountHeld', isCounted: false }
        : { next: 'holdAccount', at: decision.at, reason: cause };
    case 'retry': {
      const { at, reason } = decision;
      const delayMs = at.getTime() - now.getTime();
      // What waits only to be closed must leave the queue: there the sweeper leaves it alone, and it is attempted again.
      return delayMs <= MAX_QUEUE_WAIT_MS && at < closesAt
        ? { next: 'retry', at, delayMs, reason }
        : { next: 'later', at, reason, isCounted: true };
    }
  }
}

/** WeChat uses 45009 for a minute's limit too: where the day has calls left, it was that. */
function causeOf({ failure, quotaRemain = 0 }: FailureFacts): Failure {
  return failure.class === 'day_quota' && quotaRemain > 0 ? { ...failure, class: 'minute_limit' } : failure;
}

/** While the time is not known, no item is closed for its age, and none waits long. */
function withoutClock(decision: RetryDecision, now: Date): RetryDecision {
  const latest = new Date(now.getTime() + UNCERTAIN_WAIT_MS);
  if (decision.next === 'expired') return { next: 'retry', at: latest, reason: 'retry' };
  return 'at' in decision && decision.at > latest ? { ...decision, at: latest } : decision;
}

/**
 * Where an earlier attempt may have stored the item: when its time is over, and when WeChat reports that it does not
 * have it, which it also does of items that are too old.
 */
const mayBeStored = (closing: 'dead' | 'expired', failure: Failure) =>
  closing === 'expired' || isMediaGone(failure);

/** After the search that {@link decideFailure} asked for. */
export function decideClosing(
  { closing }: SearchDecision,
  search: SearchResult,
  { failure, now }: Pick<FailureFacts, 'failure' | 'now'>,
): ClosingDecision {
  switch (search) {
    case 'found':
      return { next: 'found' };
    case 'absent':
      return { next: closing };
    case 'unknown':
      if (failure.class !== 'store') return { next: 'storeFailure' };
      // The time is over as well: the sweeper closes the row once the bucket responds.
      return {
        next: 'later',
        at: new Date(now.getTime() + MAX_QUEUE_WAIT_MS),
        reason: 'retry',
        isCounted: false,
      };
  }
}
