/** Retries an idempotent request within seconds. Longer outages are left to the queue. */
import { setTimeout as wait } from 'node:timers/promises';
import { FailureError } from '../../failures.ts';
import { isStoreAway } from '../../store-failures.ts';

const MAX_ATTEMPTS = 3;
const BASE_MS = 100;
/** A longer `Retry-After` is left to the queue. */
const MAX_RETRY_AFTER_MS = 2_000;

/**
 * Returns the milliseconds to wait before the next attempt: full jitter over 100, then 200 ms, or the store's
 * `Retry-After` where it is longer. Undefined where the error is not worth a retry.
 */
export function decideRetryDelayMs(
  error: unknown,
  attempt: number,
  random: () => number,
): number | undefined {
  if (!(error instanceof FailureError) || !isStoreAway(error.failure.code)) return undefined;
  if (attempt >= MAX_ATTEMPTS) return undefined;
  const { retryAfterMs = 0 } = error;
  if (retryAfterMs > MAX_RETRY_AFTER_MS) return undefined;
  return Math.max(retryAfterMs, random() * BASE_MS * 2 ** (attempt - 1));
}

/** Runs up to three attempts. Throws the error of the last one, or the signal's reason. */
export async function retryQuickly<T>(
  run: () => Promise<T>,
  options: { signal: AbortSignal; onRetry?: (error: FailureError, attempt: number) => void },
): Promise<T> {
  const { signal } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      const delayMs = decideRetryDelayMs(error, attempt, Math.random);
      if (delayMs === undefined) throw error;
      options.onRetry?.(error as FailureError, attempt);
      await wait(delayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** {@link retryQuickly} with the store's log line bound to it. */
export type QuickRetry = <T>(signal: AbortSignal, run: () => Promise<T>) => Promise<T>;
