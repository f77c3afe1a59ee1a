/** GET as a stream, with an end to every wait and to every body. Knows sockets and lengths, nothing of media. */
import type { Dispatcher } from 'undici';
import { FailureError, failure } from '../../failures.ts';
import { joinHeaders } from '../../runtime/network/http-headers.ts';
import { connectionFailure, isProxyResponse, ProxyError } from './connection-failure.ts';
import type { PooledConnection } from './connection-pool.ts';
import { createRoutes, type RouteOptions } from './routing.ts';

export interface HttpClientOptions extends RouteOptions {
  /** Silence that ends a request: while connecting, before the headers, between two pieces of the body. */
  readonly idleTimeoutMs: number;
  /** From the call to the last byte. */
  readonly totalTimeoutMs: number;
  readonly maxBodyBytes: number;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; a repeated header is joined. */
  readonly headers: Readonly<Record<string, string>>;
  /** From Content-Length. */
  readonly lengthBytes: number | undefined;
  /** Whether a clean end of the body proves that it is whole: by length or by the last chunk. */
  readonly endIsProven: boolean;
  /**
   * Ends cleanly only after all announced bytes; otherwise throws `body_too_short`, `body_too_long`, `too_large`,
   * `timeout`, `network`, or the reason of the caller's signal.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the connection, read or not. May be called at any time, repeatedly. */
  discard(): void;
}

export interface HttpRequest {
  /** Only addresses that are public are connected to. */
  readonly ssrfGuard: boolean;
  /** One media's own address: what is wrong with it is not the account's trouble. */
  readonly isLink?: boolean;
  /** Stands in errors instead of the URL, which may hold a token. */
  readonly where: string;
  /** The value of a Range header. */
  readonly range?: string;
  /** Where less is left than the total timeout. */
  readonly timeoutMs?: number;
}

export interface HttpClient {
  /** Redirects are answers like any other: never followed. */
  get(url: URL, how: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  close(): Promise<void>;
}

const HEADERS = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'wechat-media-archiver' };

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const routes = createRoutes(options);
  const { maxBodyBytes } = options;

  return {
    get: async (url, how, signal) => {
      signal.throwIfAborted();
      const totalTimeoutMs = how.timeoutMs ?? options.totalTimeoutMs;
      let lane: PooledConnection | undefined;
      const limit = withLimit(signal, totalTimeoutMs, () => lane?.destroy());
      const translate = (error: unknown, received?: Received) => {
        signal.throwIfAborted();
        if (error instanceof FailureError) return error;
        if (limit.passed) return failure('timeout', `${how.where}: not within ${totalTimeoutMs} ms`);
        return connectionErrorToFailure(error, how, received);
      };
      let leave = (_isClean: boolean) => limit.clear();
      try {
        const { pool: lanes, origin, path, headers, isForwarded } = await routes.to(url, how.ssrfGuard);
        signal.throwIfAborted();
        if (limit.passed) throw new Error('too late');
        const taken = lanes.acquire(origin);
        lane = taken;
        let isTaken = true;
        leave = (isClean) => {
          limit.clear();
          if (isTaken) lanes.release(taken, isClean);
          isTaken = false;
        };
        taken.beginRequest();
        const response = await taken.client.request({
          method: 'GET',
          path,
          headers: { ...HEADERS, ...headers, ...(how.range && { range: how.range }) },
        });
        if (isForwarded && isProxyResponse(response.statusCode, response.headers)) {
          response.body.on('error', () => {}).destroy();
          const status = response.statusCode;
          throw new ProxyError(`the proxy answers ${status} at GET http://${url.host}`, { status });
        }
        return wrap(response, {
          maxBodyBytes,
          where: how.where,
          translate,
          leave,
          excessBytes: taken.excessBytes,
        });
      } catch (error) {
        leave(false);
        throw translate(error);
      }
    },
    close: () => routes.close(),
  };
}

interface Received {
  readonly bytes: number;
  readonly of: number | undefined;
}

function wrap(
  response: Dispatcher.ResponseData,
  context: {
    maxBodyBytes: number;
    where: string;
    translate: (error: unknown, received: Received) => FailureError;
    excessBytes: (lengthBytes: number) => number;
    leave: (isClean: boolean) => void;
  },
): HttpResponse {
  const { body } = response;
  // A body let go of before its end emits an error nobody waits for.
  body.on('error', () => {});
  let isClean = false;
  const discard = () => {
    body.destroy();
    context.leave(isClean);
  };
  const headers = joinHeaders(response.headers);
  const announced = headers['content-length'];
  const lengthBytes = announced !== undefined && /^\d{1,15}$/.test(announced) ? Number(announced) : undefined;

  /** By hand, as media-body.ts does: a generator in the chain costs turns of the loop for every piece. */
  function bytes(): AsyncIterableIterator<Uint8Array> {
    const pieces = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    let received = 0;
    let isOver = false;
    const end = () => {
      isOver = true;
      discard();
      return { done: true, value: undefined } as const;
    };
    const prove = () => {
      const excess = lengthBytes === undefined ? 0 : context.excessBytes(lengthBytes);
      if (excess > 0)
        throw failure('body_too_long', `${context.where}: ${excess} bytes beyond ${lengthBytes}`);
      isClean = true;
    };
    return {
      next: async () => {
        if (isOver) return end();
        try {
          const step = await pieces.next();
          if (step.done) {
            prove();
            return end();
          }
          received += step.value.length;
          if (received > context.maxBodyBytes) throw tooLarge(context.maxBodyBytes);
          return step;
        } catch (error) {
          try {
            throw context.translate(error, { bytes: received, of: lengthBytes });
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
  // undici ends a chunked body cleanly only after its last chunk (tried: a cut one throws).
  const isChunked = /\bchunked\s*$/i.test(headers['transfer-encoding'] ?? '');
  const endIsProven = lengthBytes !== undefined || isChunked;
  return { status: response.statusCode, headers, lengthBytes, endIsProven, body: bytes(), discard };
}

export const tooLarge = (maxBytes: number) => failure('too_large', `more than ${maxBytes} bytes`);

/** What undici or a socket says, in words of ours: theirs may quote the request. `cause` is the bare code. */
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
 * The caller's signal and a limit of our own in one, with nothing left hanging on the caller's afterwards. Either cuts
 * the connection, which is this request's alone: a signal for undici would be a controller and listeners for each request.
 */
function withLimit(signal: AbortSignal, totalMs: number, cut: () => void) {
  const limit = { passed: false, clear: () => {} };
  const timer = setTimeout(() => {
    limit.passed = true;
    cut();
  }, totalMs);
  signal.addEventListener('abort', cut, { once: true });
  limit.clear = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', cut);
  };
  return limit;
}
