/**
 * The HTTP server of a port. It listens before the routes exist, so that a link which was printed early opens a page
 * that waits, and passes its requests to the routes from the moment when they are ready. The socket stays the same, so
 * no connection is refused in between.
 */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { listenError } from '../../app/run.ts';
import { type ListenerLimits, limitConnections, timeoutsOf } from '../../runtime/network/server-limits.ts';
import { settledWithin } from '../../runtime/timeout.ts';
import { respondStarting } from './starting.ts';

export interface Listener {
  /** The address for programs on this machine. */
  readonly url: string;
  /** For Fastify's `serverFactory`: keeps the handler of the routes, and returns the server. */
  attach(handler: RequestListener): Server;
  /** From now on the attached handler gets the requests. */
  serve(): void;
  /**
   * Refuses new connections, closes idle ones, and resolves when the requests in progress have ended or `drainMs` have
   * passed; then their connections are closed. Idempotent.
   */
  close(drainMs?: number): Promise<void>;
}

/** Rejects with a StartError that names the variable if the port cannot be used. */
export async function openListener(
  at: { host: string; port: number; portVariable: string },
  limits: ListenerLimits,
): Promise<Listener> {
  let attached: RequestListener | undefined;
  let handle: RequestListener = respondStarting;
  let closing: Promise<void> | undefined;
  const server = createServer(timeoutsOf(limits), (request, response) => {
    // Node closes only the connections that are idle when it begins to close.
    response.once('finish', () => closing && request.socket.end());
    handle(request, response);
  });
  server.setTimeout(limits.silentMs);
  limitConnections(server, limits.connections);
  try {
    server.listen({ host: at.host, port: at.port });
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, at);
  }
  const { port } = server.address() as { port: number };

  async function close(drainMs: number): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    if (!(await settledWithin(closed, drainMs))) server.closeAllConnections();
    await closed;
  }
  return {
    url: `http://${localHost(at.host)}:${port}`,
    attach: (handler) => {
      attached = handler;
      return server;
    },
    serve: () => {
      if (!attached) throw new Error('no routes are attached to this listener');
      handle = attached;
    },
    close: (drainMs = 0) => {
      closing ??= close(drainMs);
      return closing;
    },
  };
}

/** Returns the host by which this machine reaches a server that listens on `host`, which may be a wildcard. */
function localHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
