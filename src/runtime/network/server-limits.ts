/** The limits of all our HTTP servers: how long a request may take to arrive, and how many connections may be open. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface ListenerLimits {
  /** If the last byte of a request has not arrived after this time, it gets 408, and its connection is closed. */
  readonly requestMs: number;
  /** How often Node checks for such requests. With its default of 30 s they would stay open up to 30 s longer. */
  readonly checkMs: number;
  /** How long a connection may wait for its next request. */
  readonly keepAliveMs: number;
  /** How long a connection may stay without traffic. The client may have disappeared without closing it. */
  readonly silentMs: number;
  readonly connections: number;
}

export const LISTENER_LIMITS: ListenerLimits = {
  // WeChat closes the connection after 5 s; a slow client gets a little more time for its whole request.
  requestMs: 10_000,
  checkMs: 500,
  keepAliveMs: 65_000,
  silentMs: 120_000,
  connections: 2_000,
};

/** Returns the limits as options of Node's createServer. */
export const timeoutsOf = ({ requestMs, checkMs, keepAliveMs }: ListenerLimits) => ({
  headersTimeout: requestMs,
  requestTimeout: requestMs,
  connectionsCheckingInterval: checkMs,
  keepAliveTimeout: keepAliveMs,
});

/**
 * Limits a server to `limit` connections. When one more arrives, the connection that has waited longest, for the rest
 * of a request or for the next request, is closed. So a new connection is always accepted, and a request that has
 * arrived is never aborted. (Node's own maxConnections refuses the new connection instead.)
 */
export function limitConnections(server: Server, limit: number): void {
  let open = 0;
  // In the order in which they began to wait.
  const waiting = new Set<Socket>();

  server.on('connection', (socket: Socket) => {
    open++;
    waiting.add(socket);
    socket.once('close', () => {
      open--;
      waiting.delete(socket);
    });
    if (open <= limit) return;
    const [longest = socket] = waiting;
    waiting.delete(longest);
    longest.destroy();
  });
  const arrive = (request: IncomingMessage, response: ServerResponse) => {
    const { socket, headers } = request;
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    // If the response was sent early, the rest of the body arrives after it.
    const work = () => !response.writableFinished && waiting.delete(socket);
    if (hasBody) request.once('end', work);
    else work();
    response.once('finish', () => {
      if (!socket.destroyed) waiting.add(socket);
    });
  };
  // 'checkContinue' has no listener: with one, Node would neither request the body nor emit 'request'.
  server.on('request', arrive);
}
