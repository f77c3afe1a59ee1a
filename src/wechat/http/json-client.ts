/**
 * Makes small JSON calls with axios. Time and size are limited, redirects are not followed, and only the configured
 * proxy is used.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { SecureContext } from 'node:tls';
import axios, { type AxiosError } from 'axios';
import { type FailureError, failure } from '../../failures.ts';
import type { TlsPlace } from '../../tls-failures.ts';
import { connectionFailure, isProxyResponse, ProxyError } from './connection-failure.ts';
import { createProxyAgents } from './proxy-agents.ts';

export interface JsonClientOptions {
  /** The only proxy that is used: HTTP_PROXY and similar variables are ignored. */
  readonly proxyUrl?: string | undefined;
  /** The timeout of a whole call, from connecting to the last byte; default 10 s. */
  readonly timeoutMs?: number;
  readonly secureContext?: SecureContext | undefined;
  /** The server whose certificate is checked; default WeChat. */
  readonly tlsPlace?: TlsPlace;
}

export interface JsonRequest {
  readonly url: string;
  /** Used in errors instead of the URL, which may contain a secret. */
  readonly where: string;
  /** Sent as JSON by POST; without it the call is a GET. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxResponseBytes?: number;
}

export interface JsonClient {
  /**
   * Resolves with the response, also when its status is an error. Rejects with `timeout`, `network`,
   * `malformed_answer`, a failure of the proxy or of TLS, or the signal's reason.
   */
  send(request: JsonRequest, signal: AbortSignal): Promise<{ status: number; text: string }>;
  close(): void;
}

const TIMEOUT_MS = 10_000;
const MAX_RESPONSE_BYTES = 64 * 1024;

export function createJsonClient(options: JsonClientOptions = {}): JsonClient {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const { proxyUrl, secureContext } = options;
  const agentOptions = { keepAlive: true, maxSockets: 8, ...(secureContext && { secureContext }) };
  // The client has its own agents, because NODE_USE_ENV_PROXY can make the global ones use a proxy of the environment.
  const { httpAgent, httpsAgent } = proxyUrl
    ? createProxyAgents({ proxyUrl, timeoutMs, secureContext }, agentOptions)
    : { httpAgent: new HttpAgent(agentOptions), httpsAgent: new HttpsAgent(agentOptions) };
  const client = axios.create({
    httpAgent,
    httpsAgent,
    proxy: false,
    timeout: timeoutMs,
    maxRedirects: 0,
    responseType: 'text',
    transformResponse: [],
    decompress: false,
    validateStatus: () => true,
  });

  return {
    send: async (request, signal) => {
      // The timeout of axios limits inactivity; this signal limits the whole call.
      const total = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const response = await client
        .request<string>({
          method: request.body ? 'POST' : 'GET',
          url: request.url,
          ...(request.body ? { data: request.body } : {}),
          headers: { 'Accept-Encoding': 'identity', ...request.headers },
          maxContentLength: request.maxResponseBytes ?? MAX_RESPONSE_BYTES,
          signal: total,
        })
        .catch((error: AxiosError) => {
          signal.throwIfAborted();
          throw toFailure(error, request.where, options.tlsPlace);
        });
      const { status } = response;
      if (proxyUrl && /^http:/i.test(request.url) && isProxyResponse(status, response.headers)) {
        const error = new ProxyError(`the proxy responded ${status} for ${new URL(request.url).host}`, {
          status,
        });
        throw connectionFailure(error, { where: request.where });
      }
      return { status: response.status, text: String(response.data) };
    },
    close: () => {
      httpAgent.destroy();
      httpsAgent.destroy();
    },
  };
}

/**
 * Returns the failure without the AxiosError, because that error contains the request, and the request contains the
 * secret.
 */
function toFailure(error: AxiosError, where: string, place?: TlsPlace): FailureError {
  const known = connectionFailure(error, { where, ...(place && { place }) });
  if (known) return known;
  const code = typeof error.code === 'string' ? error.code : 'unknown';
  const timedOut = ['ECONNABORTED', 'ETIMEDOUT', 'ERR_CANCELED'].includes(code);
  if (code === 'ERR_BAD_RESPONSE') return failure('malformed_answer', `${where}: unreadable or too long`);
  return failure(timedOut ? 'timeout' : 'network', `${where}: ${code}`);
}
