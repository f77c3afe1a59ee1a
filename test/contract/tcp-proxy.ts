/** A TCP proxy in front of a server that refuses connections, or hangs as a stopped process does, when a test asks for it. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Connections are passed on, those that hung included. */
  open(): void;
  /** Connections break, and new ones at once. */
  refuse(): void;
  /** Connections stay open and transfer nothing. */
  hang(): void;
  close(): Promise<void>;
}

export async function openTcpProxy(behind: { host: string; port: number }): Promise<TcpProxy> {
  let mode: 'open' | 'refuse' | 'hang' = 'open';
  const pairs = new Map<Socket, Socket | undefined>();

  function join(client: Socket): void {
    const far = pairs.get(client) ?? connect(behind);
    pairs.set(client, far);
    const end = () => {
      pairs.delete(client);
      client.destroy();
      far.destroy();
    };
    for (const socket of [client, far]) socket.removeAllListeners().on('error', end).on('close', end);
    client.pipe(far);
    far.pipe(client);
  }

  const server = createServer((client) => {
    if (mode === 'refuse') {
      client.on('error', () => undefined).resetAndDestroy();
      return;
    }
    pairs.set(client, undefined);
    client.on('error', () => undefined).on('close', () => pairs.delete(client));
    if (mode === 'open') join(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as { port: number }).port,
    open: () => {
      const isHanging = mode === 'hang';
      mode = 'open';
      if (isHanging) for (const client of pairs.keys()) join(client);
    },
    refuse: () => {
      mode = 'refuse';
      for (const [client, far] of pairs) {
        client.resetAndDestroy();
        far?.destroy();
      }
    },
    hang: () => {
      mode = 'hang';
      for (const [client, far] of pairs) {
        client.unpipe();
        far?.unpipe();
      }
    },
    close: async () => {
      for (const [client, far] of pairs) {
        client.destroy();
        far?.destroy();
      }
      server.close();
    },
  };
}
