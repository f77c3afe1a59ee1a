/** Makes GET requests with a streamed body. Every wait has a timeout, and every body has a maximum size. */
import type { Dispatcher } from 'undici';
import { FailureError, failure } from '../../failures.ts';
import { joinHeaders } from '../../runtime/network/http-headers.ts';
import { connectionFailure, isProxyResponse, ProxyError } from './connection-failure.ts';
import type { PooledConnection } from './connection-pool.ts';
import { createRoutes, type RouteOptions } from './routing.ts';

export interface HttpClientOptions extends RouteOptions {
  /** Longest inactivity: while connecting, before the headers, and between two chunks of the body. */
  readonly idleTimeoutMs: number;
  /** Longest time from the call to the last byte. */
  readonly totalTimeoutMs: number;
  readonly maxBodyBytes: number;
}

export interface HttpResponse {
  readonly status: number;
  /** Names are in lower case; repeated headers are joined. */
  readonly headers: Readonly<Record<string, string>>;
  /** From Content-Length. */
  readonly lengthBytes: number | undefined;
  /** Whether a clean end of the body proves that the body is complete: by its length or by the last chunk. */
  readonly endIsProven: boolean;
  /**
   * Ends cleanly only after exactly the announced bytes. Otherwise throws `body_too_short`, `body_too_long`,
   * `too_large`, `timeout`, `network`, or the reason of the caller's signal.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Releases the connection. May be called at any time, also when the body was not read. Idempotent. */
  discard(): void;
}

export interface HttpRequest {
  /** Whether to connect to public addresses only. */
  readonly ssrfGuard: boolean;
  /** Whether the URL is the link of one item, so that its failure does not concern the account. */
  readonly isLink?: boolean;
  /** Used in errors instead of the URL, which may contain a token. */
  readonly where: string;
  /** The path of the URL, where it contains no secret: for traces. Paths of links do. */
  readonly path?: string;
  /** The value of a Range header. */
  readonly range?: string;
  /** Replaces the total timeout, when less time is left. */
  readonly timeoutMs?: number;
}

export interface HttpClient {
  /** Does not follow redirects: they are returned like any other response. */
  get(url: URL, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  close(): Promise<void>;
}

const HEADERS = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'wechat-media-archiver' };

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const routes = createRoutes(options);
  const { maxBodyBytes } = options;

  return {
    get: async (url, request, signal) => {
      signal.throwIfAborted();
      const totalTimeoutMs = request.timeoutMs ?? options.totalTimeoutMs;
      let connection: PooledConnection | undefined;
      const limit = limitRequest(signal, totalTimeoutMs, () => connection?.destroy());
      const toFailure = (error: unknown, received?: Received) => {
        signal.throwIfAborted();
        if (error instanceof FailureError) return error;
        if (limit.isOver) return failure('timeout', `${request.where}: not within ${totalTimeoutMs} ms`);
        return connectionErrorToFailure(error, request, received);
      };
      let release = (_isReusable: boolean) => limit.clear();
      try {
        const { pool, origin, path, headers, isForwarded } = await routes.to(url, request.ssrfGuard);
        signal.throwIfAborted();
        if (limit.isOver) throw new Error('timeout');
        const acquired = pool.acquire(origin);
        connection = acquired;
        let isAcquired = true;
        release = (isReusable) => {
          limit.clear();
          if (isAcquired) pool.release(acquired, isReusable);
          isAcquired = false;
        };
        acquired.beginRequest();
        const response = await acquired.client.request({
          method: 'GET',
          path,
          headers: { ...HEADERS, ...headers, ...(request.range && { range: request.range }) },
        });
        if (isForwarded && isProxyResponse(response.statusCode, response.headers)) {
          response.body.on('error', () => {}).destroy();
          const status = response.statusCode;
          throw new ProxyError(`the proxy responded ${status} to GET http://${url.host}`, { status });
        }
        return toHttpResponse(response, {
          maxBodyBytes,
          where: request.where,
          toFailure,
          release,
          excessBytes: acquired.excessBytes,
        });
      } catch (error) {
        release(false);
        throw toFailure(error);
      }
    },
    close: () => routes.close(),
  };
}

interface Received {
  readonly bytes: number;
  readonly of: number | undefined;
}

function toHttpResponse(
  response: Dispatcher.ResponseData,
  context: {
    maxBodyBytes: number;
    where: string;
    toFailure: (error: unknown, received: Received) => FailureError;
    excessBytes: (lengthBytes: number) => number;
    release: (isReusable: boolean) => void;
  },
): HttpResponse {
  const { body } = response;
  // A body that is released before its end emits an error; without a listener it would end the process.
  body.on('error', () => {});
  let isComplete = false;
  const discard = () => {
    body.destroy();
    context.release(isComplete);
  };
  const headers = joinHeaders(response.headers);
  const announced = headers['content-length'];
  const lengthBytes = announced !== undefined && /^\d{1,15}$/.test(announced) ? Number(announced) : undefined;

  /** Written without an async generator, which would cost extra turns of the event loop for every chunk. */
  function bytes(): AsyncIterableIterator<Uint8Array> {
    const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    let received = 0;
    let isOver = false;
    const end = () => {
      isOver = true;
      discard();
      return { done: true, value: undefined } as const;
    };
    const checkExcess = () => {
      const excess = lengthBytes === undefined ? 0 : context.excessBytes(lengthBytes);
      if (excess > 0)
        throw failure('body_too_long', `${context.where}: ${excess} bytes beyond ${lengthBytes}`);
      isComplete = true;
    };
    return {
      next: async () => {
        if (isOver) return end();
        try {
          const step = await chunks.next();
          if (step.done) {
            checkExcess();
            return end();
          }
          received += step.value.length;
          if (received > context.maxBodyBytes) throw tooLarge(context.maxBodyBytes);
          return step;
        } catch (error) {
          try {
            throw context.toFailure(error, { bytes: received, of: lengthBytes });
          } finally {
            end();
          }
        }
      },
      return: async () => end(),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
  // undici ends a chunked body cleanly only after its last chunk; a body that is cut throws.
  const isChunked = /\bchunked\s*$/i.test(headers['transfer-encoding'] ?? '');
  const endIsProven = lengthBytes !== undefined || isChunked;
  return { status: response.statusCode, headers, lengthBytes, endIsProven, body: bytes(), discard };
}

export const tooLarge = (maxBytes: number) => failure('too_large', `more than ${maxBytes} bytes`);

/**
 * Returns the failure for an error of undici or a socket. It contains only the code of the error, because the message
 * may quote the request.
 */
function connectionErrorToFailure(
  error: unknown,
  { where, isLink = false }: Pick<HttpRequest, 'where' | 'isLink'>,
  received: Received | undefined,
): FailureError {
  const known = connectionFailure(error, { where, isLink });
  if (known) return known;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const isCut = code === 'UND_ERR_SOCKET' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
  if (received && isCut) {
    const detail = `${where}: ${received.bytes} of ${received.of ?? 'unknown'} bytes`;
    const isLonger = received.of !== undefined && received.bytes >= received.of;
    return failure(isLonger ? 'body_too_long' : 'body_too_short', detail);
  }
  return failure(/TIMEOUT|TIMEDOUT/.test(code) ? 'timeout' : 'network', `${where}: ${code}`, { cause: code });
}

/**
 * Destroys the connection of one request when the caller's signal aborts or the time is over. `clear` removes the
 * timer and the listener. undici gets no signal: that would cost a controller and listeners for each request.
 */
function limitRequest(signal: AbortSignal, timeoutMs: number, destroy: () => void) {
  const limit = { isOver: false, clear: () => {} };
  const timer = setTimeout(() => {
    limit.isOver = true;
    destroy();
  }, timeoutMs);
  signal.addEventListener('abort', destroy, { once: true });
  limit.clear = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', destroy);
  };
  return limit;
}
