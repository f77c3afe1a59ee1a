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

export interface Lane {
  readonly origin: string;
  readonly client: Client;
  /** To be called before each request. */
  begin(): void;
  /** Bytes that came after the announced end of the last answer, as far as they have arrived by now. */
  excessBytes(lengthBytes: number): number;
  /** Ends the request that is under way, and the connection with it. */
  cut(): void;
}

export interface Lanes {
  /** An idle connection to this origin, or a new one. How many are in use at once is the caller's to bound. */
  take(origin: string): Lane;
  /** `isReusable`: the answer was read to its end. */
  give(lane: Lane, isReusable: boolean): void;
  close(): Promise<void>;
}

export function createLanes(options: {
  /** Idle connections kept; 0 keeps none. */
  keep: number;
  limits: Pick<Client.Options, 'headersTimeout' | 'bodyTimeout'>;
  connect: buildConnector.connector;
}): Lanes {
  const idle = new Set<Lane>();
  const all = new Set<Client>();

  function discard(lane: Lane): void {
    idle.delete(lane);
    all.delete(lane.client);
    lane.client.destroy().catch(() => {});
  }

  return {
    take: (origin) => {
      const waiting = [...idle].find((lane) => lane.origin === origin);
      const lane = waiting ?? openLane(origin, options.limits, options.connect);
      idle.delete(lane);
      all.add(lane.client);
      return lane;
    },
    give: (lane, isReusable) => {
      if (!isReusable || options.keep === 0 || !all.has(lane.client)) return discard(lane);
      idle.add(lane);
      const [oldest] = idle;
      if (oldest && idle.size > options.keep) discard(oldest);
    },
    close: async () => {
      idle.clear();
      await Promise.all([...all].map((client) => client.destroy()));
    },
  };
}

function openLane(
  origin: string,
  limits: Pick<Client.Options, 'headersTimeout' | 'bodyTimeout'>,
  connector: buildConnector.connector,
): Lane {
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
  const watch = () => {
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
          watch();
        }
        callback(...result);
      }),
  });
  return {
    origin,
    client,
    begin: () => {
      if (!socket || socket.destroyed) return;
      socket.removeListener('readable', measureHead);
      watch();
    },
    excessBytes: (lengthBytes) => {
      if (!socket || headBytes === undefined) return 0;
      return socket.bytesRead - readBefore - headBytes - lengthBytes;
    },
    cut: () => void client.destroy(new Error('given up')).catch(() => {}),
  };
}
