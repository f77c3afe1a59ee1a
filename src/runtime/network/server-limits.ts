/** Limits of every HTTP server of ours: how long a request may take to arrive, and how many connections are open. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface ListenerLimits {
  /** A request whose last byte has not arrived after this gets 408, and its connection is closed. */
  readonly requestMs: number;
  /** How often Node checks for such requests: with its default of 30 s they live up to 30 s longer. */
  readonly checkMs: number;
  /** How long a connection may wait for its next request. */
  readonly keepAliveMs: number;
  /** How long a connection may stay without traffic: the client may have gone without closing it. */
  readonly silentMs: number;
  readonly connections: number;
}

export const LISTENER_LIMITS: ListenerLimits = {
  // WeChat closes after 5 s; a slow client gets a little more than that for its whole request.
  requestMs: 10_000,
  checkMs: 500,
  keepAliveMs: 65_000,
  silentMs: 120_000,
  connections: 2_000,
};

/** The limits as options of Node's createServer. */
export const timeoutsOf = ({ requestMs, checkMs, keepAliveMs }: ListenerLimits) => ({
  headersTimeout: requestMs,
  requestTimeout: requestMs,
  connectionsCheckingInterval: checkMs,
  keepAliveTimeout: keepAliveMs,
});

/**
 * Keeps a server at `limit` connections. When one more arrives, the connection is closed that has waited longest for the
 * rest of a request or for the next one. So a new connection is accepted however many slow ones are open, and a request
 * that has arrived is never cut. (Node's own maxConnections refuses the new connection instead.)
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
    // Where the response was sent early, the rest of the body arrives after it.
    const work = () => !response.writableFinished && waiting.delete(socket);
    if (hasBody) request.once('end', work);
    else work();
    response.once('finish', () => {
      if (!socket.destroyed) waiting.add(socket);
    });
  };
  // Not on 'checkContinue' too: with a listener there Node neither asks for the body nor emits 'request'.
  server.on('request', arrive);
}
