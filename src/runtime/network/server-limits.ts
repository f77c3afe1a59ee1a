/** How long a request may be on its way to us, and how many connections there may be: for everything that listens. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface ListenerLimits {
  /** A request whose last byte is not there after this is answered 408 and its connection closed. */
  readonly requestMs: number;
  /** How often Node looks for such requests: with its default of 30 s they live up to 30 s longer. */
  readonly checkMs: number;
  /** A connection that waits for its next request. */
  readonly keepAliveMs: number;
  /** A connection on which nothing moves: a reader who has gone, silently. */
  readonly silentMs: number;
  readonly connections: number;
}

export const LISTENER_LIMITS: ListenerLimits = {
  // WeChat cuts after 5 s; a slow client gets a little more than that for its whole request.
  requestMs: 10_000,
  checkMs: 500,
  keepAliveMs: 65_000,
  silentMs: 120_000,
  connections: 2_000,
};

/** Options of Node's createServer. */
export const timeoutsOf = ({ requestMs, checkMs, keepAliveMs }: ListenerLimits) => ({
  headersTimeout: requestMs,
  requestTimeout: requestMs,
  connectionsCheckingInterval: checkMs,
  keepAliveTimeout: keepAliveMs,
});

/**
 * Keeps a server at `limit` connections. Where one more comes, the one is closed that has waited longest for the rest of
 * a request, or for the next one: a newcomer finds its place, however many slow connections there are, and a request
 * that has arrived is never cut. (Node's own maxConnections turns the newcomer away.)
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
    // The rest of a body that was answered early comes after the answer.
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
