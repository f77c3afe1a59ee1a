/** GET as a stream, with an end to every wait and to every body. Knows sockets and lengths, nothing of media. */
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { FailureError, failure } from '../failures.ts';
import { guardedLookup, resolvePublic } from './address-guard.ts';

export interface HttpOptions {
  readonly proxyUrl?: string | undefined;
  /** Silence that ends a request: while connecting, before the headers, between two pieces of the body. */
  readonly idleTimeoutMs: number;
  /** From the call to the last byte. */
  readonly totalTimeoutMs: number;
  readonly maxBodyBytes: number;
  /** Connections per host at once. */
  readonly connections?: number;
  /** DNS for guarded requests; the system's unless a test says otherwise. */
  readonly resolve?: Parameters<typeof guardedLookup>[0];
}

export interface HttpBody {
  readonly status: number;
  /** Names in lower case; a repeated header is joined. */
  readonly headers: Readonly<Record<string, string>>;
  /** From Content-Length. */
  readonly lengthBytes: number | undefined;
  /**
   * Ends cleanly only after all announced bytes; otherwise throws `body_too_short`, `too_large`, `timeout`, `network`,
   * or the reason of the caller's signal.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the connection, read or not. May be called at any time, repeatedly. */
  discard(): void;
}

export interface Http {
  /**
   * `guarded`: only addresses that are public are connected to. `where` stands in errors instead of the URL, which
   * may hold a token. Redirects are answers like any other: never followed.
   */
  get(url: URL, how: { guarded: boolean; where: string }, signal: AbortSignal): Promise<HttpBody>;
  close(): Promise<void>;
}

const HEADERS = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'wechat-media-archiver' };
const CONNECTIONS = 64;

export function createHttp(options: HttpOptions): Http {
  const { idleTimeoutMs } = options;
  const limits = {
    connections: options.connections ?? CONNECTIONS,
    pipelining: 1,
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
  };
  const proxied = (tls: { servername?: string } = {}) =>
    new ProxyAgent({ ...limits, uri: options.proxyUrl!, requestTls: { timeout: idleTimeoutMs, ...tls } });
  const open = options.proxyUrl ? proxied() : new Agent({ ...limits, connect: { timeout: idleTimeoutMs } });
  const guarded = new Agent({
    ...limits,
    connect: { timeout: idleTimeoutMs, lookup: guardedLookup(options.resolve) },
  });

  /** Through a proxy the guard holds too: the name is resolved and checked here, and the proxy told the address. */
  async function guardedByProxy(url: URL): Promise<{ dispatcher: Dispatcher; url: URL; host: string }> {
    const address = await resolvePublic(url.hostname, options.resolve);
    const pinned = new URL(url);
    pinned.hostname = address.includes(':') ? `[${address}]` : address;
    return { dispatcher: proxied({ servername: url.hostname }), url: pinned, host: url.host };
  }

  return {
    get: async (url, how, signal) => {
      signal.throwIfAborted();
      const limit = withLimit(signal, options.totalTimeoutMs);
      const translate = (error: unknown, received?: { bytes: number; of: number | undefined }) => {
        signal.throwIfAborted();
        if (limit.passed) return failure('timeout', `${how.where}: not within ${options.totalTimeoutMs} ms`);
        return failureOf(error, how.where, received);
      };
      let ownDispatcher: Dispatcher | undefined;
      const release = () => {
        limit.clear();
        void ownDispatcher?.destroy().catch(() => {});
      };
      try {
        let target = url;
        let headers: Record<string, string> = HEADERS;
        let dispatcher: Dispatcher = how.guarded ? guarded : open;
        if (how.guarded && options.proxyUrl) {
          const pinned = await guardedByProxy(url);
          [ownDispatcher, dispatcher, target] = [pinned.dispatcher, pinned.dispatcher, pinned.url];
          headers = { ...HEADERS, host: pinned.host };
        }
        const response = await request(target, { dispatcher, headers, signal: limit.signal });
        return wrap(response, { maxBodyBytes: options.maxBodyBytes, where: how.where, translate, release });
      } catch (error) {
        release();
        throw error instanceof FailureError ? error : translate(error);
      }
    },
    close: async () => {
      await Promise.all([open.destroy(), guarded.destroy()]);
    },
  };
}

function wrap(
  response: Dispatcher.ResponseData,
  context: {
    maxBodyBytes: number;
    where: string;
    translate: (error: unknown, received: { bytes: number; of: number | undefined }) => FailureError;
    release: () => void;
  },
): HttpBody {
  const { body } = response;
  // A body let go of before its end emits an error nobody waits for.
  body.on('error', () => {});
  const discard = () => {
    body.destroy();
    context.release();
  };
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : `${value}`,
    ]),
  );
  const announced = headers['content-length'];
  const lengthBytes = announced !== undefined && /^\d{1,15}$/.test(announced) ? Number(announced) : undefined;

  async function* bytes(): AsyncGenerator<Uint8Array> {
    let received = 0;
    try {
      for await (const piece of body as AsyncIterable<Uint8Array>) {
        received += piece.length;
        if (received > context.maxBodyBytes) throw tooLarge(context.maxBodyBytes);
        yield piece;
      }
      if (lengthBytes !== undefined && received < lengthBytes) throw failure('body_too_short');
    } catch (error) {
      throw error instanceof FailureError
        ? error
        : context.translate(error, { bytes: received, of: lengthBytes });
    } finally {
      discard();
    }
  }
  return { status: response.statusCode, headers, lengthBytes, body: bytes(), discard };
}

export const tooLarge = (maxBytes: number) => failure('too_large', `more than ${maxBytes} bytes`);

/** What undici or a socket says, in words of ours: theirs may quote the request. `cause` is the bare code. */
function failureOf(
  error: unknown,
  where: string,
  received: { bytes: number; of: number | undefined } | undefined,
): FailureError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const isCut = code === 'UND_ERR_SOCKET' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
  if (received && isCut) {
    const detail = `${where}: ${received.bytes} of ${received.of ?? 'unknown'} bytes`;
    const isLonger = received.of !== undefined && received.bytes >= received.of;
    return failure(isLonger ? 'body_too_long' : 'body_too_short', detail);
  }
  return failure(/TIMEOUT|TIMEDOUT/.test(code) ? 'timeout' : 'network', `${where}: ${code}`, { cause: code });
}

/** The caller's signal and a limit of our own in one, with nothing left hanging on the caller's afterwards. */
function withLimit(signal: AbortSignal, totalMs: number) {
  const controller = new AbortController();
  const limit = { signal: controller.signal, passed: false, clear: () => {} };
  const leave = () => controller.abort(signal.reason);
  const timer = setTimeout(() => {
    limit.passed = true;
    controller.abort(new Error('total timeout'));
  }, totalMs);
  signal.addEventListener('abort', leave, { once: true });
  limit.clear = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
  };
  return limit;
}
