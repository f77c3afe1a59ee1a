/**
 * Connections through an HTTP proxy: by CONNECT for https, and to the proxy itself for plain http, which is asked for
 * in absolute form (squid refuses CONNECT to port 80). Ours because undici's ProxyAgent (7.30) asks a proxy that hangs
 * up on CONNECT again and again without pause – a thousand times a second, past every timeout and abort.
 */
import { isIP, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { ProxyError } from './connection-failure.ts';

export interface ProxyOptions {
  readonly proxyUrl: string;
  /** From dialling the proxy to its answer, and again for TLS behind it. */
  readonly timeoutMs: number;
  /** The address the proxy is told instead of the name; rejects what must not be connected to. */
  readonly resolve?: (hostname: string, signal: AbortSignal) => Promise<string>;
  readonly secureContext?: SecureContext | undefined;
}

const MAX_HEAD_BYTES = 16 * 1024;

/** The value of Proxy-Authorization, where the proxy's URL holds a user. */
export function proxyAuthorization(proxyUrl: string): string | undefined {
  const { username, password } = new URL(proxyUrl);
  if (!username) return undefined;
  const user = `${decoded(username)}:${decoded(password)}`;
  return `Basic ${Buffer.from(user).toString('base64')}`;
}

/** A lone % is the password's own. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Connects to the proxy itself, whatever the target: for requests in absolute form. */
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

const unreachable = (error: Error) => new ProxyError('the proxy cannot be connected to', { cause: error });

/** Connects to the target by CONNECT. */
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
    socket.on('error', () => {}); // Until undici has it, nobody else listens.
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

/** Resolves once the proxy has said 2xx; what it sent beyond its head stays in the socket. */
async function requestTunnel(
  socket: Socket,
  to: string,
  authorization: string | undefined,
  limit: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const wrong = (what: string, status?: number) =>
    new ProxyError(`the proxy ${what} at CONNECT ${to}`, status === undefined ? {} : { status });
  const broken = () => reject(wrong('breaks off'));
  let head = Buffer.alloc(0);
  const read = () => {
    for (let piece = socket.read(); piece !== null; piece = socket.read()) {
      head = Buffer.concat([head, piece as Buffer]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length > MAX_HEAD_BYTES) return reject(wrong('does not answer in HTTP', 0));
      if (end < 0) continue;
      // First: what is put back is readable at once, and would be read again and put back again without end.
      socket.off('readable', read);
      if (head.length > end + 4) socket.unshift(head.subarray(end + 4));
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1', 0, 16))?.[1]);
      if (status >= 200 && status < 300) return resolve();
      const words = status ? `answers ${status}` : 'does not answer in HTTP';
      return reject(wrong(words, status || 0));
    }
  };
  const closed = () => reject(wrong('hangs up'));
  const late = () => reject(wrong('gives no answer in time'));
  socket.on('readable', read).on('error', broken).on('close', closed).on('end', closed);
  limit.addEventListener('abort', late, { once: true });
  const header = authorization ? `Proxy-Authorization: ${authorization}\r\n` : '';
  socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n${header}\r\n`);
  try {
    await promise;
  } finally {
    limit.removeEventListener('abort', late);
    socket.off('readable', read).off('error', broken).off('close', closed).off('end', closed);
  }
}
