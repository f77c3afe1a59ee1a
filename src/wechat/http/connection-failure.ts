/**
 * Turns errors of sockets, TLS and proxies into failures. The messages of the errors are left out, because they may
 * quote the request.
 */
import { type FailureCode, FailureError, failure } from '../../failures.ts';
import { TLS_PLACES, type TlsPlace, tlsFailureOf, tlsSentence } from '../../tls-failures.ts';

/** An error of the proxy itself, not of the host behind it. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code = 'PROXY';
  /** Undefined: the proxy did not respond. 0: its response was not HTTP. */
  readonly status: number | undefined;
  constructor(message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = options.status;
  }
}

/** Statuses of a server that is not a proxy, or does not allow CONNECT at all. */
const NOT_A_PROXY_STATUSES: ReadonlySet<number> = new Set([0, 400, 404, 405, 406, 501]);

function proxyCodeOf({ status, cause }: ProxyError): FailureCode {
  if (status === 407) return 'proxy_unauthenticated';
  if (status === undefined) return tlsFailureOf(cause) ? 'proxy_tls' : 'proxy_failed';
  if (NOT_A_PROXY_STATUSES.has(status)) return 'proxy_unfit';
  return status >= 500 || status === 408 || status === 429 ? 'proxy_failed' : 'proxy_refused';
}

/**
 * Whether the proxy itself created the response to a plain http request that it should have forwarded. Only proxies
 * send 407. Other such responses are recognised by headers: those that a proxy adds to its own errors (RFC 9209,
 * squid), or its name in `server`.
 */
export function isProxyResponse(status: number, headers: Readonly<Record<string, unknown>>): boolean {
  if (status < 400) return false;
  if (status === 407 || headers['x-squid-error'] !== undefined) return true;
  if (/;\s*error=/.test(String(headers['proxy-status'] ?? ''))) return true;
  return /^(squid|tinyproxy|privoxy|mitmproxy)\b/i.test(String(headers.server ?? ''));
}

interface ConnectionContext {
  /** Used in the failure instead of the URL. */
  readonly where: string;
  /** The server whose certificate was checked; default WeChat. */
  readonly place?: TlsPlace;
  /** Whether the request was for the link of one item, so that its failure does not concern the account. */
  readonly isLink?: boolean;
}

/** Returns the failure for an error of the proxy or of TLS; undefined for any other error. */
export function connectionFailure(
  error: unknown,
  { where, place, isLink }: ConnectionContext,
): FailureError | undefined {
  const proxyError = proxyErrorOf(error);
  const tlsFailure = tlsFailureOf(error);
  let result: FailureError;
  if (proxyError) {
    const text = tlsSentence(proxyError.cause, TLS_PLACES.proxy) ?? proxyError.message;
    result = failure(proxyCodeOf(proxyError), `${where}: ${text}`, {
      cause: `PROXY_HTTP_${proxyError.status ?? 'NONE'}`,
    });
  } else if (tlsFailure) {
    const text = tlsSentence(error, place ?? TLS_PLACES.wechat);
    result = failure(`tls_${tlsFailure.reason}`, `${where}: ${text}`, { cause: tlsFailure.code });
  } else return undefined;
  if (!isLink || result.failure.class !== 'account') return result;
  return new FailureError({ ...result.failure, class: 'transient' }, { cause: result.cause });
}

function proxyErrorOf(error: unknown, depth = 0): ProxyError | undefined {
  if (error instanceof ProxyError) return error;
  return error instanceof Error && depth < 5 ? proxyErrorOf(error.cause, depth + 1) : undefined;
}
