/** Calls of the API: each with one timeout for all its attempts. */
import { systemClock } from '../../runtime/clock.ts';
import { type CallOptions, checkTimeout, type Settings } from './options.ts';
import { type Limits, type Request, requestJson } from './response.ts';
import { decideRetryMs } from './retry.ts';

const LONGEST_WAIT_MS = 5_000;

export interface Repetition {
  /** False: the request is repeated only if the server said that it did nothing. */
  readonly isIdempotent?: boolean;
}

/** Resolves with the parsed JSON of a request, repeated while that is safe and there is time. */
export const callJson = <T>(
  settings: Settings,
  request: Request,
  options: CallOptions = {},
  repetition: Repetition = {},
): Promise<T> =>
  withRetries(settings, options, repetition, (limits) => requestJson<T>(settings, request, limits));

/** Runs attempts until one succeeds, one fails for good, or the time or the number of attempts is used up. */
export async function withRetries<T>(
  settings: Settings,
  { signal, timeoutMs = settings.timeoutMs }: CallOptions,
  { isIdempotent = true }: Repetition,
  attempt: (limits: Limits) => Promise<T>,
): Promise<T> {
  checkTimeout(timeoutMs);
  const endsAt = performance.now() + timeoutMs;
  // A request that hangs must leave time for another one, on another connection.
  const longestMs = settings.retries > 0 && isIdempotent ? timeoutMs / 2 : timeoutMs;
  for (let failures = 0; ; failures++) {
    const leftMs = endsAt - performance.now();
    try {
      return await attempt({ timeoutMs: Math.max(1, Math.min(leftMs, longestMs)), signal });
    } catch (error) {
      const facts = { failures, isIdempotent, longestWaitMs: LONGEST_WAIT_MS, random: Math.random() };
      const waitMs = decideRetryMs(error, facts);
      const isOver = waitMs === undefined || failures >= settings.retries;
      if (isOver || performance.now() + waitMs >= endsAt) throw error;
      await systemClock.sleep(waitMs, signal);
    }
  }
}
