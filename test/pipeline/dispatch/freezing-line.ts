/** A proxy to a server that can fall silent like a firewall: packets are dropped and no end is notified. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** Returns the same URL with the address of the proxy. */
export async function openFreezingLine(t: Pick<TestContext, 'after'>, url: string) {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => to.write(chunk));
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const line = new URL(url);
  line.hostname = '127.0.0.1';
  line.port = String((server.address() as AddressInfo).port);
  const spared = new Set<Socket>();
  return {
    url: line.href,
    /** Exempts the connections that are open now. */
    spare: () => {
      for (const socket of sockets) spared.add(socket);
    },
    /** Silences the open connections for good; new ones work. Returns how many were silenced. */
    freeze: () => {
      const silent = [...sockets].filter((socket) => !spared.has(socket));
      for (const socket of silent) {
        socket.removeAllListeners('data');
        socket.pause();
      }
      return silent.length / 2;
    },
  };
}
