/**
 * Connections through an HTTP proxy, by CONNECT. Ours because undici's ProxyAgent (7.30) asks a proxy that hangs up on
 * CONNECT again and again without pause – a thousand times a second, past every timeout and abort.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { buildConnector } from 'undici';

export interface ProxyOptions {
  readonly proxyUrl: string;
  /** From dialling the proxy to its answer, and again for TLS behind it. */
  readonly timeoutMs: number;
  /** The address the proxy is told instead of the name; rejects what must not be connected to. */
  readonly resolve?: (hostname: string, signal: AbortSignal) => Promise<string>;
}

const MAX_HEAD_BYTES = 16 * 1024;

export function proxyConnector(options: ProxyOptions): buildConnector.connector {
  const proxy = new URL(options.proxyUrl);
  const upgrade = buildConnector({ timeout: options.timeoutMs, allowH2: false });

  async function tunnel(target: buildConnector.Options): Promise<Socket> {
    const limit = AbortSignal.timeout(options.timeoutMs);
    const address = options.resolve
      ? await options.resolve(target.hostname, limit)
      : target.hostname.replace(/^\[|\]$/g, '');
    const port = target.port || (target.protocol === 'https:' ? '443' : '80');
    const socket = dial(proxy);
    socket.on('error', () => {}); // Until undici has it, nobody else listens.
    try {
      await askForTunnel(socket, `${address.includes(':') ? `[${address}]` : address}:${port}`, proxy, limit);
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

function dial(proxy: URL): Socket {
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const isTls = proxy.protocol === 'https:';
  const port = Number(proxy.port) || (isTls ? 443 : 80);
  return isTls ? connectTls({ host, port, servername: host }) : connectTcp({ host, port });
}

/** Resolves once the proxy has said 2xx; what it sent beyond its head stays in the socket. */
async function askForTunnel(socket: Socket, to: string, proxy: URL, limit: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let head = Buffer.alloc(0);
  const read = () => {
    for (let piece = socket.read(); piece !== null; piece = socket.read()) {
      head = Buffer.concat([head, piece as Buffer]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length > MAX_HEAD_BYTES) return reject(coded('PROXY_ANSWER_TOO_LONG'));
      if (end < 0) continue;
      if (head.length > end + 4) socket.unshift(head.subarray(end + 4));
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1', 0, 16))?.[1];
      return status?.startsWith('2') ? resolve() : reject(coded(`PROXY_HTTP_${status ?? 'UNKNOWN'}`));
    }
  };
  const closed = () => reject(coded('PROXY_CLOSED'));
  const late = () => reject(coded('PROXY_TIMEDOUT'));
  socket.on('readable', read).on('error', reject).on('close', closed).on('end', closed);
  limit.addEventListener('abort', late, { once: true });
  const { username, password } = proxy;
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const auth = username ? `Proxy-Authorization: Basic ${Buffer.from(user).toString('base64')}\r\n` : '';
  socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n${auth}\r\n`);
  try {
    await promise;
  } finally {
    limit.removeEventListener('abort', late);
    socket.off('readable', read).off('error', reject).off('close', closed).off('end', closed);
  }
}

const coded = (code: string) => Object.assign(new Error(code), { code });
