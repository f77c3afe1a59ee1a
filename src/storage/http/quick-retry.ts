/** Repeats what can be repeated at once. What takes longer to heal is the queue's to repeat. */
import { setTimeout as wait } from 'node:timers/promises';
import { FailureError } from '../../failures.ts';
import { isStoreAway } from '../../store-failures.ts';

const ATTEMPTS = 3;
const BASE_MS = 100;
/** A store that asks for more patience than this gets it from the queue. */
const MAX_RETRY_AFTER_MS = 2_000;

/** Full jitter over 100, 200 ms; or what the store asked for. Undefined: not worth repeating. */
export function decideRetryDelayMs(
  error: unknown,
  attempt: number,
  random: () => number,
): number | undefined {
  if (!(error instanceof FailureError) || !isStoreAway(error.failure.code)) return undefined;
  if (attempt >= ATTEMPTS) return undefined;
  const asked = error.retryAfterMs ?? 0;
  if (asked > MAX_RETRY_AFTER_MS) return undefined;
  return Math.max(asked, random() * BASE_MS * 2 ** (attempt - 1));
}

/** Up to three tries of an idempotent act. Throws the last try's error, or the signal's reason. */
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

/** {@link retryQuickly} as a room's deeds are given it. */
export type QuickRetry = <T>(signal: AbortSignal, act: () => Promise<T>) => Promise<T>;
