/** GET as a stream, with an end to every wait and to every body. Knows sockets and lengths, nothing of media. */
import { buildConnector, type Dispatcher } from 'undici';
import { FailureError, failure } from '../failures.ts';
import { flatHeaders } from '../flat-headers.ts';
import { guardedLookup, resolvePublic } from './address-guard.ts';
import { createLanes } from './lanes.ts';
import { proxyConnector } from './proxy-connect.ts';

export interface HttpOptions {
  readonly proxyUrl?: string | undefined;
  /** Silence that ends a request: while connecting, before the headers, between two pieces of the body. */
  readonly idleTimeoutMs: number;
  /** From the call to the last byte. */
  readonly totalTimeoutMs: number;
  readonly maxBodyBytes: number;
  /** Idle connections kept. How many are in use at once is bounded by whoever calls: one each. */
  readonly keepIdle?: number;
  /** DNS for guarded requests; the system's unless a test says otherwise. */
  readonly resolve?: Parameters<typeof guardedLookup>[0];
}

export interface HttpBody {
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
  readonly guarded: boolean;
  /** Stands in errors instead of the URL, which may hold a token. */
  readonly where: string;
  /** The value of a Range header. */
  readonly range?: string;
  /** Where less is left than the total timeout. */
  readonly withinMs?: number;
}

export interface Http {
  /** Redirects are answers like any other: never followed. */
  get(url: URL, how: HttpRequest, signal: AbortSignal): Promise<HttpBody>;
  close(): Promise<void>;
}

const HEADERS = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'wechat-media-archiver' };
const KEEP_IDLE = 32;
const KEEP_IDLE_GUARDED = 4;

export function createHttp(options: HttpOptions): Http {
  const timeout = options.idleTimeoutMs;
  const limits = { headersTimeout: timeout, bodyTimeout: timeout };
  const { proxyUrl, resolve } = options;
  // The guard holds behind a proxy too: the name is resolved and checked by us, and the proxy told the address.
  const pin = (hostname: string, signal: AbortSignal) => resolvePublic(hostname, resolve, signal);
  const connect = proxyUrl
    ? {
        open: proxyConnector({ proxyUrl, timeoutMs: timeout }),
        guarded: proxyConnector({ proxyUrl, timeoutMs: timeout, resolve: pin }),
      }
    : {
        open: buildConnector({ timeout, allowH2: false }),
        guarded: buildConnector({ timeout, allowH2: false, lookup: guardedLookup(resolve) }),
      };
  const lanes = {
    open: createLanes({ keep: options.keepIdle ?? KEEP_IDLE, limits, connect: connect.open }),
    guarded: createLanes({ keep: KEEP_IDLE_GUARDED, limits, connect: connect.guarded }),
  };

  return {
    get: async (url, how, signal) => {
      signal.throwIfAborted();
      const { take, give } = how.guarded ? lanes.guarded : lanes.open;
      const lane = take(url.origin);
      const totalTimeoutMs = how.withinMs ?? options.totalTimeoutMs;
      const limit = withLimit(signal, totalTimeoutMs, lane.cut);
      const translate = (error: unknown, received?: Received) => {
        signal.throwIfAborted();
        if (error instanceof FailureError) return error;
        if (limit.passed) return failure('timeout', `${how.where}: not within ${totalTimeoutMs} ms`);
        return failureOf(error, how.where, received);
      };
      let isTaken = true;
      const leave = (isClean: boolean) => {
        limit.clear();
        if (isTaken) give(lane, isClean);
        isTaken = false;
      };
      try {
        lane.begin();
        const headers = how.range ? { ...HEADERS, range: how.range } : HEADERS;
        const path = url.pathname + url.search;
        const response = await lane.client.request({ method: 'GET', path, headers });
        const { maxBodyBytes } = options;
        return wrap(response, {
          maxBodyBytes,
          where: how.where,
          translate,
          leave,
          excessBytes: lane.excessBytes,
        });
      } catch (error) {
        leave(false);
        throw translate(error);
      }
    },
    close: async () => {
      await Promise.all([lanes.open.close(), lanes.guarded.close()]);
    },
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
): HttpBody {
  const { body } = response;
  // A body let go of before its end emits an error nobody waits for.
  body.on('error', () => {});
  let isClean = false;
  const discard = () => {
    body.destroy();
    context.leave(isClean);
  };
  const headers = flatHeaders(response.headers);
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
function failureOf(error: unknown, where: string, received: Received | undefined): FailureError {
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
