/** When a delivery is attempted again, and what becomes of an endpoint that fails. Pure. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The waits before the second and each further attempt. */
export const RETRY_DELAYS_MS: readonly number[] = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];
/** Spreads the attempts of deliveries that failed together: up to so much of the wait is added. */
const JITTER = 0.2;
/** An endpoint that fails so long is reported. */
export const FAILING_ALERT_MS = HOUR_MS;
/** An endpoint that fails so long is disabled. */
export const FAILING_DISABLE_MS = 5 * DAY_MS;
/** An endpoint that fails so long gets one request at a time. */
export const FAILING_SLOW_MS = MINUTE_MS;
/** After a rotation the previous secret signs too for so long. */
export const PREVIOUS_SECRET_MS = DAY_MS;

export interface RetryFacts {
  /** Attempts that ended before this one. */
  readonly attempts: number;
  readonly endedAt: Date;
  /** Of the response: not before. In real time, and at most an hour, see parseRetryAfterMs. */
  readonly retryAfterMs: number | undefined;
}

/** Returns the time of the next attempt; undefined: this one was the last. `scale` is that of the policy durations. */
export function decideRetry(
  { attempts, endedAt, retryAfterMs }: RetryFacts,
  { scale, random }: { scale: (ms: number) => number; random: () => number },
): Date | undefined {
  const delayMs = RETRY_DELAYS_MS[attempts];
  if (delayMs === undefined) return undefined;
  const spread = scale(delayMs) * (1 + JITTER * random());
  return new Date(endedAt.getTime() + Math.max(spread, retryAfterMs ?? 0));
}
