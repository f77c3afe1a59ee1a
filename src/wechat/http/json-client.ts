/** Small JSON calls over axios: bounded in time and size, no redirects, no proxy but the given one. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { SecureContext } from 'node:tls';
import axios, { type AxiosError } from 'axios';
import { type FailureError, failure } from '../../failures.ts';
import type { TlsPlace } from '../../tls-failures.ts';
import { connectionFailure, isProxyResponse, ProxyError } from './connection-failure.ts';
import { createProxyAgents } from './proxy-agents.ts';

export interface JsonClientOptions {
  /** The only proxy used: the HTTP_PROXY family of variables is ignored. */
  readonly proxyUrl?: string | undefined;
  /** For one call, from connecting to the last byte. */
  readonly timeoutMs?: number;
  readonly secureContext?: SecureContext | undefined;
  /** Whose certificates they are; WeChat's unless told. */
  readonly tlsPlace?: TlsPlace;
}

export interface JsonRequest {
  readonly url: string;
  /** Stands in errors instead of the URL, which may hold a secret. */
  readonly where: string;
  /** Present: a POST. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxResponseBytes?: number;
}

export interface JsonClient {
  /** The answer whatever its status. Rejects with `timeout`, `network`, `malformed_answer` or the signal's reason. */
  send(request: JsonRequest, signal: AbortSignal): Promise<{ status: number; text: string }>;
  close(): void;
}

const TIMEOUT_MS = 10_000;
const MAX_RESPONSE_BYTES = 64 * 1024;

export function createJsonClient(options: JsonClientOptions = {}): JsonClient {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const { proxyUrl, secureContext } = options;
  const agentOptions = { keepAlive: true, maxSockets: 8, ...(secureContext && { secureContext }) };
  // Agents of our own: the global ones may be told by NODE_USE_ENV_PROXY to go through a proxy of the environment.
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
      // axios' own timeout is one of silence; this one is of the whole call.
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
        const error = new ProxyError(`the proxy answers ${status} at ${new URL(request.url).host}`, {
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

/** The failure in words of ours. An AxiosError carries the request, and the request the secret: it stays here. */
function toFailure(error: AxiosError, where: string, place?: TlsPlace): FailureError {
  const known = connectionFailure(error, { where, ...(place && { place }) });
  if (known) return known;
  const code = typeof error.code === 'string' ? error.code : 'unknown';
  const timedOut = ['ECONNABORTED', 'ETIMEDOUT', 'ERR_CANCELED'].includes(code);
  if (code === 'ERR_BAD_RESPONSE') return failure('malformed_answer', `${where}: unreadable or too long`);
  return failure(timedOut ? 'timeout' : 'network', `${where}: ${code}`);
}
