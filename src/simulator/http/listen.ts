/** An HTTP server on 127.0.0.1 alone, with limits for connections and times. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  LISTENER_LIMITS,
  type ListenerLimits,
  limitConnections,
  timeoutsOf,
} from '../../runtime/network/server-limits.ts';

const LIMITS: ListenerLimits = { ...LISTENER_LIMITS, requestMs: 30_000, keepAliveMs: 5_000 };

/** Rejects with a message for people where the port is taken. `host` is `127.0.0.1:{port}`. */
export async function listenLocally(
  listener: RequestListener,
  port = 0,
): Promise<{ host: string; close(): Promise<void> }> {
  const server = createServer(timeoutsOf(LIMITS), listener);
  limitConnections(server, LIMITS.connections);
  server.setTimeout(LIMITS.silentMs);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`the simulated WeChat cannot listen: port ${port} is taken`, { cause: error })
          : error,
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
