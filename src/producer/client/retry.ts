/** When the client repeats a request. Pure: it needs neither a clock nor a server. */
import { ClientError } from './client-error.ts';

const FIRST_WAIT_MS = 250;
/** Jitter on top of the server's Retry-After, so that clients which were refused together do not return together. */
const RETRY_AFTER_JITTER_MS = 1_000;
/** The server says with these that it did nothing. */
const NOTHING_WAS_DONE: ReadonlySet<number> = new Set([429, 503]);
const MAY_PASS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

export interface RetryFacts {
  /** How many attempts have failed before this one. */
  readonly failures: number;
  /** Whether a repetition changes nothing if the first request arrived. */
  readonly isIdempotent: boolean;
  readonly longestWaitMs: number;
  /** From 0 to 1. */
  readonly random: number;
}

/** Returns the wait before the next attempt; undefined: the error is final. */
export function decideRetryMs(error: unknown, facts: RetryFacts): number | undefined {
  if (!(error instanceof ClientError)) return undefined;
  const { status, code, retryAfterMs } = error;
  const mayPass = status === undefined ? code === 'unavailable' || code === 'timeout' : MAY_PASS.has(status);
  if (!mayPass) return undefined;
  if (!facts.isIdempotent && !NOTHING_WAS_DONE.has(status ?? 0)) return undefined;
  if (retryAfterMs !== undefined) return retryAfterMs + facts.random * RETRY_AFTER_JITTER_MS;
  return facts.random * Math.min(facts.longestWaitMs, FIRST_WAIT_MS * 2 ** Math.min(facts.failures, 20));
}
