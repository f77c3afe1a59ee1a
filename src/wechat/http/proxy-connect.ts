/**
 * Opens connections through an HTTP proxy: by CONNECT for https, and to the proxy itself for plain http requests in
 * absolute form, because squid refuses CONNECT to port 80. undici's ProxyAgent (7.30) is not used: if a proxy closes
 * the connection on CONNECT, the agent retries a thousand times a second without a pause, and ignores every timeout and
 * abort.
 */
import { isIP, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { ProxyError } from './connection-failure.ts';

export interface ProxyOptions {
  readonly proxyUrl: string;
  /**
   * The timeout for connecting to the proxy and for its response. It applies a second time to TLS through the tunnel.
   */
  readonly timeoutMs: number;
  /** Returns the address that the proxy connects to instead of the name; rejects for forbidden addresses. */
  readonly resolve?: (hostname: string, signal: AbortSignal) => Promise<string>;
  readonly secureContext?: SecureContext | undefined;
}

const MAX_HEAD_BYTES = 16 * 1024;

/** Returns the value of Proxy-Authorization, or undefined if the proxy's URL has no user. */
export function proxyAuthorization(proxyUrl: string): string | undefined {
  const { username, password } = new URL(proxyUrl);
  if (!username) return undefined;
  const user = `${decoded(username)}:${decoded(password)}`;
  return `Basic ${Buffer.from(user).toString('base64')}`;
}

/** Decodes percent-encoding. Returns invalid text unchanged, because a password may contain a `%`. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns a connector that always connects to the proxy itself, for requests in absolute form. */
export function createProxyDialer(options: ProxyOptions): buildConnector.connector {
  const proxy = new URL(options.proxyUrl);
  const { secureContext, timeoutMs } = options;
  const open = buildConnector({
    timeout: timeoutMs,
    allowH2: false,
    ...(secureContext && { secureContext }),
  });
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const isTls = proxy.protocol === 'https:';
  const target = {
    hostname: host,
    host: proxy.host,
    protocol: proxy.protocol,
    port: String(proxy.port || (isTls ? 443 : 80)),
    ...(isTls && isIP(host) === 0 ? { servername: host } : {}),
  };
  return (_target, callback) =>
    open(target, (...[error, socket]) => {
      if (error) callback(unreachable(error), null);
      else callback(null, socket);
    });
}

const unreachable = (error: Error) => new ProxyError('the connection to the proxy failed', { cause: error });

/** Returns a connector that reaches the target by CONNECT. */
export function createTunnelConnector(options: ProxyOptions): buildConnector.connector {
  const { secureContext } = options;
  const dial = createProxyDialer(options);
  const upgrade = buildConnector({
    timeout: options.timeoutMs,
    allowH2: false,
    ...(secureContext && { secureContext }),
  });
  const authorization = proxyAuthorization(options.proxyUrl);

  async function tunnel(target: buildConnector.Options): Promise<Socket> {
    const limit = AbortSignal.timeout(options.timeoutMs);
    const address = options.resolve
      ? await options.resolve(target.hostname, limit)
      : target.hostname.replace(/^\[|\]$/g, '');
    const port = target.port || (target.protocol === 'https:' ? '443' : '80');
    const socket = await new Promise<Socket>((resolve, reject) => {
      dial(target, (...[error, opened]) => (error ? reject(error) : resolve(opened)));
    });
    // Without a listener an error before undici takes over the socket would end the process.
    socket.on('error', () => {});
    try {
      const to = `${address.includes(':') ? `[${address}]` : address}:${port}`;
      await requestTunnel(socket, to, authorization, limit);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  return (target, callback) => {
    tunnel(target).then(
      (socket) => {
        if (target.protocol === 'https:') upgrade({ ...target, httpSocket: socket }, callback);
        else callback(null, socket);
      },
      (error: Error) => callback(error, null),
    );
  };
}

/** Resolves when the proxy has responded 2xx. Bytes after the response head stay in the socket. */
async function requestTunnel(
  socket: Socket,
  to: string,
  authorization: string | undefined,
  limit: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const proxyError = (what: string, status?: number) =>
    new ProxyError(`the proxy ${what} at CONNECT ${to}`, status === undefined ? {} : { status });
  const onError = () => reject(proxyError('failed the connection'));
  let head = Buffer.alloc(0);
  const read = () => {
    for (let piece = socket.read(); piece !== null; piece = socket.read()) {
      head = Buffer.concat([head, piece as Buffer]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length > MAX_HEAD_BYTES) return reject(proxyError('did not respond with HTTP', 0));
      if (end < 0) continue;
      // Removed before unshift: the bytes that are put back are readable at once, so this listener would read them in a
      // loop.
      socket.off('readable', read);
      if (head.length > end + 4) socket.unshift(head.subarray(end + 4));
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1', 0, 16))?.[1]);
      if (status >= 200 && status < 300) return resolve();
      return reject(proxyError(status ? `responded ${status}` : 'did not respond with HTTP', status || 0));
    }
  };
  const onClose = () => reject(proxyError('closed the connection'));
  const onTimeout = () => reject(proxyError('did not respond in time'));
  socket.on('readable', read).on('error', onError).on('close', onClose).on('end', onClose);
  limit.addEventListener('abort', onTimeout, { once: true });
  const header = authorization ? `Proxy-Authorization: ${authorization}\r\n` : '';
  socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n${header}\r\n`);
  try {
    await promise;
  } finally {
    limit.removeEventListener('abort', onTimeout);
    socket.off('readable', read).off('error', onError).off('close', onClose).off('end', onClose);
  }
}
