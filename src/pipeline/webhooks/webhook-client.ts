/**
 * Sends one webhook: one POST with a signed body. Redirects are not followed, no proxy is used, and of the response only
 * the status counts: its body is read to 4 KB, cut there and dropped.
 */
import { Agent, type Dispatcher, errors } from 'undici';
import type { AllowList } from '../../config/values/kinds.ts';
import { joinHeaders } from '../../runtime/network/http-headers.ts';
import { parseRetryAfterMs } from '../../runtime/network/retry-after.ts';
import { tlsFailureOf } from '../../tls-failures.ts';
import type { DeliveryFailure } from './delivery-failures.ts';
import { type SignedMessage, signedHeaders } from './signature.ts';
import { AddressRefusedError, brokenRule, createGuardedConnector } from './webhook-address.ts';

/** From connecting to the end of the response, or its first 4 KB. */
export const RESPONSE_TIMEOUT_MS = 15_000;
const MAX_BODY_BYTES = 4 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

export interface SendResult {
  /** Absent: it was delivered. */
  readonly reason?: DeliveryFailure;
  readonly status?: number;
  readonly durationMs: number;
  readonly retryAfterMs?: number;
}

export interface WebhookClient {
  /** Resolves with what became of it. Rejects with the reason of `signal` only. */
  send(
    url: string,
    message: SignedMessage,
    secrets: readonly string[],
    signal: AbortSignal,
  ): Promise<SendResult>;
  close(): Promise<void>;
}

export function createWebhookClient(options: {
  allowed: AllowList;
  /** Default {@link RESPONSE_TIMEOUT_MS}. */
  timeoutMs?: number;
  resolve?: Parameters<typeof createGuardedConnector>[1]['resolve'];
}): WebhookClient {
  const { allowed, timeoutMs = RESPONSE_TIMEOUT_MS, resolve } = options;
  const agent = new Agent({
    connect: createGuardedConnector(allowed, { timeoutMs, ...(resolve ? { resolve } : {}) }),
    pipelining: 1,
    allowH2: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    // Shorter than the receivers' own limits: a request on a connection that is just being closed would fail.
    keepAliveTimeout: 2_000,
    keepAliveMaxTimeout: 10_000,
  });

  async function post(url: URL, message: SignedMessage, secrets: readonly string[], signal: AbortSignal) {
    const response = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'POST',
      headers: {
        ...signedHeaders(message, secrets),
        ...(message.traceparent === undefined ? {} : { traceparent: message.traceparent }),
        'content-type': 'application/json',
        'user-agent': 'wechat-media-archiver',
        accept: '*/*',
      },
      body: message.body,
      signal,
    });
    await readAndCut(response.body);
    return response;
  }

  return {
    send: async (address, message, secrets, signal) => {
      const startedMs = performance.now();
      const ended = (rest: Omit<SendResult, 'durationMs'>): SendResult => ({
        ...rest,
        durationMs: Math.round(performance.now() - startedMs),
      });
      // The rules may have changed since the endpoint was created.
      const url = brokenRule(address, allowed) === undefined ? URL.parse(address) : null;
      if (!url) return ended({ reason: 'address_refused' });
      const timeout = AbortSignal.timeout(timeoutMs);
      try {
        const { statusCode: status, headers } = await post(
          url,
          message,
          secrets,
          AbortSignal.any([signal, timeout]),
        );
        const retryAfterMs = parseRetryAfterMs(joinHeaders(headers)['retry-after'], new Date());
        const reason = reasonOf(status);
        return ended({
          status,
          ...(reason ? { reason } : {}),
          ...(reason && retryAfterMs !== undefined ? { retryAfterMs } : {}),
        });
      } catch (error) {
        signal.throwIfAborted();
        return ended({ reason: timeout.aborted ? 'timeout' : reasonOfError(error) });
      }
    },
    close: () => agent.destroy(),
  };
}

/** Reads a body to its end or its first 4 KB; then the connection is closed. */
async function readAndCut(body: Dispatcher.ResponseData['body']): Promise<void> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    // Leaving the loop destroys the body, and with it the connection.
    if (bytes >= MAX_BODY_BYTES) break;
  }
}

function reasonOf(status: number): DeliveryFailure | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status === 410) return 'gone';
  return status >= 300 && status < 400 ? 'redirect' : 'status';
}

const BY_CODE: Readonly<Record<string, DeliveryFailure>> = {
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_OVERFLOW: 'malformed',
};

/** Only the kind of an error is kept: its text may contain the address, or what the endpoint sent. */
function reasonOfError(error: unknown): DeliveryFailure {
  // Several addresses of a name were tried: the first error stands for all.
  const cause = error instanceof AggregateError ? error.errors[0] : error;
  if (cause instanceof AddressRefusedError) return 'address_refused';
  if (tlsFailureOf(cause)) return 'tls';
  if (cause instanceof errors.HTTPParserError) return 'malformed';
  return BY_CODE[String((cause as { code?: unknown } | null)?.code)] ?? 'network';
}
