/**
 * A pool of connections, with one request at a time on each. It also counts the bytes that arrive after the announced
 * end of a body.
 *
 * An HTTP parser stops at Content-Length: if a server announces too few bytes, the file looks complete but is cut.
 * undici (8.12) does not report this: the body ends cleanly, and the connection is closed without an error. Only the
 * owner of the socket can count the excess: bytes read, minus head, minus body. Therefore the pool holds one Client per
 * connection: undici's Agent does not show on which of its connections a response arrived.
 */
import type { Socket } from 'node:net';
import { type buildConnector, Client } from 'undici';

export interface PooledConnection {
  readonly origin: string;
  readonly client: Client;
  /** Must be called before each request. */
  beginRequest(): void;
  /** Returns how many bytes have arrived so far after the announced end of the last response's body. */
  excessBytes(lengthBytes: number): number;
  /** Aborts the request in progress and closes the connection. */
  destroy(): void;
}

export interface ConnectionPool {
  /** Returns an idle connection to this origin, or a new one. The caller limits how many are in use at once. */
  acquire(origin: string): PooledConnection;
  /** `isReusable`: whether the response was read to its end. If not, the connection is destroyed. */
  release(connection: PooledConnection, isReusable: boolean): void;
  close(): Promise<void>;
}

export function createConnectionPool(options: {
  /** 0: no connection is reused. */
  maxIdle: number;
  limits: Pick<Client.Options, 'headersTimeout' | 'bodyTimeout'>;
  connect: buildConnector.connector;
}): ConnectionPool {
  const idle = new Set<PooledConnection>();
  const all = new Set<Client>();

  function destroyConnection(connection: PooledConnection): void {
    idle.delete(connection);
    all.delete(connection.client);
    connection.client.destroy().catch(() => {});
  }

  return {
    acquire: (origin) => {
      const reusable = [...idle].find((connection) => connection.origin === origin);
      const connection = reusable ?? openConnection(origin, options.limits, options.connect);
      idle.delete(connection);
      all.add(connection.client);
      return connection;
    },
    release: (connection, isReusable) => {
      if (!isReusable || options.maxIdle === 0 || !all.has(connection.client))
        return destroyConnection(connection);
      idle.add(connection);
      const [oldest] = idle;
      if (oldest && idle.size > options.maxIdle) destroyConnection(oldest);
    },
    close: async () => {
      idle.clear();
      await Promise.all([...all].map((client) => client.destroy()));
    },
  };
}

function openConnection(
  origin: string,
  limits: Pick<Client.Options, 'headersTimeout' | 'bodyTimeout'>,
  connector: buildConnector.connector,
): PooledConnection {
  let socket: Socket | undefined;
  let bytesReadBefore = 0;
  let headBytes: number | undefined;

  /** Reads the first bytes of a response before the parser does, and puts them back into the socket. */
  const measureHead = () => {
    const first: Buffer | null = socket!.read();
    if (first === null) return void socket!.prependOnceListener('readable', measureHead);
    const end = first.indexOf('\r\n\r\n');
    // A head that arrives in two pieces is not measured, and the response is not checked for excess.
    headBytes = end < 0 ? undefined : end + 4;
    socket!.unshift(first);
  };
  const expectHead = () => {
    headBytes = undefined;
    bytesReadBefore = socket!.bytesRead;
    socket!.prependOnceListener('readable', measureHead);
  };
  const client = new Client(origin, {
    ...limits,
    pipelining: 1,
    allowH2: false,
    connect: (target, callback) =>
      connector(target, (...result) => {
        const [error, connected] = result;
        if (!error) {
          socket = connected;
          expectHead();
        }
        callback(...result);
      }),
  });
  return {
    origin,
    client,
    beginRequest: () => {
      if (!socket || socket.destroyed) return;
      socket.removeListener('readable', measureHead);
      expectHead();
    },
    excessBytes: (lengthBytes) => {
      if (!socket || headBytes === undefined) return 0;
      return socket.bytesRead - bytesReadBefore - headBytes - lengthBytes;
    },
    destroy: () => void client.destroy(new Error('aborted')).catch(() => {}),
  };
}
