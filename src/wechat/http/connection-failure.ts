/** Errors of sockets, TLS and proxies as failures. Their own words stay out: they may quote the request. */
import { type FailureCode, FailureError, failure } from '../../failures.ts';
import { TLS_PLACES, type TlsPlace, tlsFailureOf, tlsSentence } from '../../tls-failures.ts';

/** What a proxy, not the host behind it, answered or did. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code = 'PROXY';
  /** Undefined: no answer. 0: an answer, but not of HTTP. */
  readonly status: number | undefined;
  constructor(message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = options.status;
  }
}

const NOT_A_PROXY_STATUSES: ReadonlySet<number> = new Set([0, 400, 404, 405, 406, 501]);

function proxyCodeOf({ status, cause }: ProxyError): FailureCode {
  if (status === 407) return 'proxy_unauthenticated';
  if (status === undefined) return tlsFailureOf(cause) ? 'proxy_tls' : 'proxy_failed';
  if (NOT_A_PROXY_STATUSES.has(status)) return 'proxy_unfit';
  return status >= 500 || status === 408 || status === 429 ? 'proxy_failed' : 'proxy_refused';
}

/**
 * What a proxy says for itself, in answer to a plain http request that it was to pass on. 407 is only ever a proxy's;
 * the rest is told by headers that a proxy adds to its own errors (RFC 9209, squid) or by its name.
 */
export function isProxyResponse(status: number, headers: Readonly<Record<string, unknown>>): boolean {
  if (status < 400) return false;
  if (status === 407 || headers['x-squid-error'] !== undefined) return true;
  if (/;\s*error=/.test(String(headers['proxy-status'] ?? ''))) return true;
  return /^(squid|tinyproxy|privoxy|mitmproxy)\b/i.test(String(headers.server ?? ''));
}

interface ConnectionContext {
  /** Stands in the failure instead of the URL. */
  readonly where: string;
  /** Whose certificate it was; WeChat's unless told. */
  readonly place?: TlsPlace;
  /** One media's link: its trouble is not the account's. */
  readonly isLink?: boolean;
}

/** Undefined: neither the proxy nor TLS. */
export function connectionFailure(
  error: unknown,
  { where, place, isLink }: ConnectionContext,
): FailureError | undefined {
  const found = proxyErrorOf(error);
  const trouble = tlsFailureOf(error);
  let made: FailureError;
  if (found) {
    const words = tlsSentence(found.cause, TLS_PLACES.proxy) ?? found.message;
    made = failure(proxyCodeOf(found), `${where}: ${words}`, {
      cause: `PROXY_HTTP_${found.status ?? 'NONE'}`,
    });
  } else if (trouble) {
    const words = tlsSentence(error, place ?? TLS_PLACES.wechat);
    made = failure(`tls_${trouble.reason}`, `${where}: ${words}`, { cause: trouble.code });
  } else return undefined;
  if (!isLink || made.failure.class !== 'account') return made;
  return new FailureError({ ...made.failure, class: 'transient' }, { cause: made.cause });
}

function proxyErrorOf(error: unknown, depth = 0): ProxyError | undefined {
  if (error instanceof ProxyError) return error;
  return error instanceof Error && depth < 5 ? proxyErrorOf(error.cause, depth + 1) : undefined;
}
