/** What a store's answer, or its silence, means in the words of ../failures.ts. */
import { FailureError, failure } from '../../failures.ts';
import type { StoreFailureCode } from '../../store-failures.ts';
import { TLS_PLACES, tlsFailureOf, tlsSentence } from '../../tls-failures.ts';

/**
 * S3 error codes of a 4xx that say nothing about our right to store: the bytes broke on the way, the server lost
 * patience, somebody else is at work on the key. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
const TRANSIENT_CODES = new Set([
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

/** S3 error codes of AWS and of the vendors that answer with codes of their own. */
const FAILURES_BY_S3_CODE: readonly (readonly [codes: RegExp, failure: StoreFailureCode])[] = [
  [/^(NoSuchBucket|InvalidBucketName)$/, 'store_bucket_missing'],
  [/^(InvalidAccessKeyId|InvalidAccessKey|AccessKeyDisabled|InactiveAccessKey)$/, 'store_key_unknown'],
  [/^(SignatureDoesNotMatch|InvalidSignature)$/, 'store_secret_wrong'],
  [
    /^(ExpiredToken|InvalidToken|TokenRefreshRequired|(Invalid)?SecurityToken(\.?Expired)?)/,
    'store_session_ended',
  ],
  [
    /^(PermanentRedirect|TemporaryRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|InvalidRegion(Name)?)$/,
    'store_elsewhere',
  ],
  [/^(SecondLevelDomainForbidden|PathStyleDomainForbidden|VirtualHostDomainRequired)$/, 'store_addressing'],
  [/^(UserDisable|UserSuspended|AccountProblem|NotSignedUp)$|Arrear|Balance/, 'store_suspended'],
  [/Quota\w*Exceeded|CapExceeded|StorageFull/, 'store_full'],
  [/^(EntityTooLarge|MaxMessageLengthExceeded)$/, 'store_body_refused'],
];

export interface ErrorResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the XML, where somebody has read it already. */
  readonly code?: string | undefined;
  readonly body?: Buffer;
}

function failureCodeOf({ status, headers = {} }: ErrorResponse, code: string | undefined, text: string) {
  if (code === 'InsufficientStorage') return 'disk_full';
  const known = FAILURES_BY_S3_CODE.find(([codes]) => code && codes.test(code));
  if (known) return known[1];
  if (status === 507) return 'store_full';
  if ((status >= 500 && status !== 501) || status === 408 || status === 429) return 'store_unavailable';
  if (code && TRANSIENT_CODES.has(code)) return 'store_unavailable';
  // OSS says AccessDenied, AWS a redirect; both name the endpoint where the bucket is.
  if (text.includes('<Endpoint>') || headers['x-amz-bucket-region']) return 'store_elsewhere';
  if (status === 413) return 'store_body_refused';
  if (status === 451) return 'store_suspended';
  // S3 answers an error with XML and its code, and redirects only where the bucket is elsewhere.
  if (!code && (status < 400 || [401, 404, 405].includes(status) || text.trim() !== ''))
    return 'store_not_s3';
  return 'store_refused';
}

/** AWS refuses at 15 minutes; some stores at less, and not all of them say that it was the time. */
const MAX_SKEW_MS = 5 * 60_000;
const SKEW_CODES = /^(RequestTimeTooSkewed|RequestExpired|RequestTimeTooLarge)$/;

/**
 * How far `now` is ahead of the store's clock, where a refusal is for the time: it says so, or its Date is far from
 * `now`. A stranger's clock that is wrong says nothing of a response that is welcome.
 */
function skewOf(
  { status, headers = {} }: ErrorResponse,
  code: string | undefined,
  now: Date,
): number | undefined {
  const skewMs = now.getTime() - Date.parse(headers.date ?? '');
  if (code !== undefined && SKEW_CODES.test(code)) return skewMs;
  const isRefused = status === 400 || status === 401 || status === 403;
  return isRefused && Math.abs(skewMs) >= MAX_SKEW_MS ? skewMs : undefined;
}

/** `this clock is 345600 s ahead of the store's` */
function describeSkew(skewMs: number): string {
  if (Number.isNaN(skewMs)) return "this clock differs from the store's";
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  return `this clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} the store's`;
}

/** The failure of an HTTP answer that is not a success. */
export function failureOfResponse(answer: ErrorResponse, now: Date): FailureError {
  const { status, headers = {}, body } = answer;
  const text = body?.subarray(0, 4096).toString('utf8') ?? '';
  // MinIO says it in a header where there is no body.
  const code = answer.code ?? codeOf(text) ?? headers['x-minio-error-code']?.replace(/\W/g, '').slice(0, 64);
  const retryAfterMs = parseRetryAfter(headers['retry-after'], now);
  const skewMs = skewOf(answer, code, now);
  if (skewMs !== undefined)
    return failure('clock_skewed', `HTTP ${status}${code ? ` ${code}` : ''}: ${describeSkew(skewMs)}`);
  return failure(
    failureCodeOf(answer, code, text),
    `HTTP ${status}${code ? ` ${code}` : ''}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

/** Error codes of Node, of OpenSSL as Node names them, and of undici, for a request that got no answer. */
const FAILURES_BY_ERRNO: readonly (readonly [codes: RegExp, failure: StoreFailureCode])[] = [
  [/^(ENOTFOUND|EAI_\w+)$/, 'store_host_unknown'],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT)$/,
    'store_unreachable',
  ],
  [/^HPE_/, 'store_not_s3'],
];

/** The failure of a request that got no answer. Only the error's code is kept: messages may carry addresses. */
export function failureOfConnection(error: unknown): FailureError {
  if (error instanceof FailureError) return error;
  const tls = tlsSentence(error, TLS_PLACES.store);
  // Certificates are made before they are used: a clock that is behind has not got there yet.
  const kind = tlsFailureOf(error)?.reason === 'not_yet_valid' ? 'clock_skewed' : 'store_tls';
  if (tls) return failure(kind, `no answer: ${tls}`, { cause: error });
  const { code, name } = error as { code?: unknown; name?: unknown };
  const word = typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown error';
  const [, its] = FAILURES_BY_ERRNO.find(([codes]) => codes.test(word)) ?? [];
  return failure(its ?? 'store_unavailable', `no answer: ${word}`, { cause: error });
}
