/** Maps error responses and connection errors of the store to the failures of ../../store-failures.ts. */
import { FailureError, failure } from '../../failures.ts';
import { parseRetryAfterMs } from '../../runtime/network/retry-after.ts';
import type { StoreFailureCode } from '../../store-failures.ts';
import { TLS_PLACES, tlsFailureOf, tlsSentence } from '../../tls-failures.ts';

/**
 * S3 error codes with a 4xx status that are worth retrying: the bytes were damaged on the way, the server timed out,
 * or another client changed the same key. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
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

/** Returns the S3 error code of an XML body, if it has one. The message is ignored: it may quote what we sent. */
export function s3ErrorCodeOf(xml: string): string | undefined {
  return /<Code>\s*([A-Za-z0-9.]{1,64})\s*<\/Code>/.exec(xml)?.[1];
}

/** S3 error codes of AWS and the vendors' own ones. */
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
  /** The S3 error code, where the XML has been parsed already. */
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
  // OSS responds AccessDenied, AWS with a redirect; both name the endpoint of the bucket's region.
  if (text.includes('<Endpoint>') || headers['x-amz-bucket-region']) return 'store_elsewhere';
  if (status === 413) return 'store_body_refused';
  if (status === 451) return 'store_suspended';
  // An S3 error is XML with a code, and S3 redirects only where the bucket is in another region.
  if (!code && (status < 400 || [401, 404, 405].includes(status) || text.trim() !== ''))
    return 'store_not_s3';
  return 'store_refused';
}

/** AWS refuses a skew of 15 minutes; some stores refuse less, and not all of them name the reason. */
const MAX_SKEW_MS = 5 * 60_000;
const SKEW_CODES = /^(RequestTimeTooSkewed|RequestExpired|RequestTimeTooLarge)$/;

/**
 * Returns by how many milliseconds `now` is ahead of the store's clock, where that is the reason of the refusal: the
 * code names it, or the Date header is far from `now`. NaN where the Date header is missing.
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

/** Returns the failure of a response that is not a success. */
export function failureOfResponse(response: ErrorResponse, now: Date): FailureError {
  const { status, headers = {}, body } = response;
  const text = body?.subarray(0, 4096).toString('utf8') ?? '';
  // MinIO gives the code in a header where there is no body.
  const code =
    response.code ?? s3ErrorCodeOf(text) ?? headers['x-minio-error-code']?.replace(/\W/g, '').slice(0, 64);
  const retryAfterMs = parseRetryAfterMs(headers['retry-after'], now);
  const skewMs = skewOf(response, code, now);
  if (skewMs !== undefined)
    return failure('clock_skewed', `HTTP ${status}${code ? ` ${code}` : ''}: ${describeSkew(skewMs)}`);
  return failure(
    failureCodeOf(response, code, text),
    `HTTP ${status}${code ? ` ${code}` : ''}`,
    retryAfterMs === undefined ? {} : { retryAfterMs },
  );
}

/** Error codes of Node, of OpenSSL as Node names them, and of undici, for a request without a response. */
const FAILURES_BY_ERRNO: readonly (readonly [codes: RegExp, failure: StoreFailureCode])[] = [
  [/^(ENOTFOUND|EAI_\w+)$/, 'store_host_unknown'],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT)$/,
    'store_unreachable',
  ],
  [/^HPE_/, 'store_not_s3'],
];

/** Returns the failure of a request without a response. It carries the error's code only: messages may hold addresses. */
export function failureOfConnection(error: unknown): FailureError {
  if (error instanceof FailureError) return error;
  const tls = tlsSentence(error, TLS_PLACES.store);
  // A certificate that is not valid yet means that this machine's clock is behind.
  const kind = tlsFailureOf(error)?.reason === 'not_yet_valid' ? 'clock_skewed' : 'store_tls';
  if (tls) return failure(kind, `no response: ${tls}`, { cause: error });
  const { code, name } = error as { code?: unknown; name?: unknown };
  const word = typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown error';
  const [, its] = FAILURES_BY_ERRNO.find(([codes]) => codes.test(word)) ?? [];
  return failure(its ?? 'store_unavailable', `no response: ${word}`, { cause: error });
}
