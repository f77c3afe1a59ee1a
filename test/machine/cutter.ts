/** A proxy for TCP that resets each connection after a random number of pieces: as a failover or a middlebox does. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Cutter {
  /** The URL of the server behind, through this proxy. */
  readonly url: string;
  /** Connections reset so far. */
  resets(): number;
  /** Lets everything through from now on. */
  spare(): void;
  close(): Promise<void>;
}

/**
 * `pieces`: a connection is reset at a piece from 1 to this, of either direction. Half of the time the piece is passed
 * on before, so that a statement may have been carried out, or its response read, when the connection breaks.
 */
export async function openCutter(behind: string, random: () => number, pieces: number): Promise<Cutter> {
  const target = new URL(behind);
  const port = Number(target.port || (target.protocol.startsWith('redis') ? 6379 : 5432));
  const sockets = new Set<Socket>();
  let isSparing = false;
  let resets = 0;

  const server = createServer((near) => {
    const far = connect({ host: target.hostname, port });
    let left = 1 + Math.floor(random() * pieces);
    const end = () => {
      for (const socket of [near, far]) {
        sockets.delete(socket);
        socket.destroy();
      }
    };
    const cut = () => {
      if (near.destroyed) return;
      resets++;
      near.resetAndDestroy();
      far.destroy();
    };
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true).on('error', end).on('close', end);
      from.on('data', (piece) => {
        if (isSparing || --left > 0) return void to.write(piece);
        if (random() < 0.5) cut();
        else to.write(piece, cut);
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(behind);
  url.port = String((server.address() as { port: number }).port);

  return {
    url: url.href,
    resets: () => resets,
    spare: () => {
      isSparing = true;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
