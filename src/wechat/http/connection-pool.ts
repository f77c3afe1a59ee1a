/**
 * Connections, one request at a time on each, with an eye on what comes after the announced end of a body.
 *
 * A parser stops at Content-Length, so that a server which announces too little yields a file that looks whole and is
 * cut. undici says nothing about it (8.12: the body ends cleanly, the connection is dropped in silence). But whoever
 * holds the socket can count: bytes read, less head, less body, is what was too much. Hence a Client per connection
 * instead of an Agent, which does not tell on which of its connections an answer came.
 */
import type { Socket } from 'node:net';
import { type buildConnector, Client } from 'undici';

export interface PooledConnection {
  readonly origin: string;
  readonly client: Client;
  /** To be called before each request. */
  beginRequest(): void;
  /** Bytes that came after the announced end of the last answer, as far as they have arrived by now. */
  excessBytes(lengthBytes: number): number;
  /** Ends the request that is under way, and the connection with it. */
  destroy(): void;
}

export interface ConnectionPool {
  /** An idle connection to this origin, or a new one. How many are in use at once is the caller's to bound. */
  acquire(origin: string): PooledConnection;
  /** `isReusable`: the answer was read to its end. */
  release(lane: PooledConnection, isReusable: boolean): void;
  close(): Promise<void>;
}

export function createConnectionPool(options: {
  /** Idle connections kept; 0 keeps none. */
  maxIdle: number;
  limits: Pick<Client.Options, 'headersTimeout' | 'bodyTimeout'>;
  connect: buildConnector.connector;
}): ConnectionPool {
  const idle = new Set<PooledConnection>();
  const all = new Set<Client>();

  function destroyConnection(lane: PooledConnection): void {
    idle.delete(lane);
    all.delete(lane.client);
    lane.client.destroy().catch(() => {});
  }

  return {
    acquire: (origin) => {
      const waiting = [...idle].find((lane) => lane.origin === origin);
      const lane = waiting ?? openConnection(origin, options.limits, options.connect);
      idle.delete(lane);
      all.add(lane.client);
      return lane;
    },
    release: (lane, isReusable) => {
      if (!isReusable || options.maxIdle === 0 || !all.has(lane.client)) return destroyConnection(lane);
      idle.add(lane);
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
  let readBefore = 0;
  let headBytes: number | undefined;

  /** Looks at the first bytes of an answer before the parser does, and puts them back. */
  const measureHead = () => {
    const first: Buffer | null = socket!.read();
    if (first === null) return void socket!.prependOnceListener('readable', measureHead);
    const end = first.indexOf('\r\n\r\n');
    // A head in two pieces is not measured, and its answer not checked.
    headBytes = end < 0 ? undefined : end + 4;
    socket!.unshift(first);
  };
  const expectHead = () => {
    headBytes = undefined;
    readBefore = socket!.bytesRead;
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
      return socket.bytesRead - readBefore - headBytes - lengthBytes;
    },
    destroy: () => void client.destroy(new Error('given up')).catch(() => {}),
  };
}
