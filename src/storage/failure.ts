/** What a store's answer, or its silence, means in the words of ../failures.ts. */
import { FailureError, failure } from '../failures.ts';

/**
 * S3 error codes of a 4xx that say nothing about our right to store: the bytes broke on the way, the server lost
 * patience, somebody else is at work on the key. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
const PASSING_CODES = new Set([
  'BadDigest',
  'IncompleteBody',
  'InvalidPart',
  'NoSuchUpload',
  'OperationAborted',
  'RequestTimeout',
  'SlowDown',
  'XAmzContentSHA256Mismatch',
]);

/** The S3 error code of an XML body, if it looks like one. The message is left out: it may quote what we sent. */
export function codeOf(xml: string): string | undefined {
  return /<Code>\s*([A-Za-z0-9.]{1,64})\s*<\/Code>/.exec(xml)?.[1];
}

/** Milliseconds a `Retry-After` header asks for: seconds or an HTTP date; at most an hour. */
export function parseRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (!value) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), 3_600_000);
}

/** The failure of an HTTP answer that is not a success. `retryAfter` is the header as it came. */
export function refusal(
  answer: { status: number; code?: string | undefined; retryAfter?: string | undefined },
  now: Date,
): FailureError {
  const { status, code } = answer;
  const retryAfterMs = parseRetryAfter(answer.retryAfter, now);
  const passing =
    (status >= 500 && status !== 501) ||
    status === 408 ||
    status === 429 ||
    (code && PASSING_CODES.has(code));
  const word = status === 507 ? 'disk_full' : passing ? 'store_unavailable' : 'store_refused';
  return failure(
    word,
    `HTTP ${status}${code ? ` ${code}` : ''}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

/** The failure of a request that got no answer. Only the error's code is kept: messages may carry addresses. */
export function unreachable(error: unknown): FailureError {
  if (error instanceof FailureError) return error;
  const { code, name } = error as { code?: unknown; name?: unknown };
  const word = typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown error';
  return failure('store_unavailable', `no answer: ${word}`, { cause: error });
}
