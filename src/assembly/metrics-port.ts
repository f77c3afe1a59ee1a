/** METRICS_PORT: what a worker counts, for Prometheus, and that it lives, for whoever restarts it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Parts } from './parts.ts';
import { listenError } from './run.ts';

const REQUEST_MS = 5_000;

/** Listens where METRICS_PORT is set; answers GET /metrics and /livez, without a key: bind it to an inner address. */
export async function openMetricsPort(
  parts: Pick<Parts, 'config' | 'metrics' | 'shutdown'>,
): Promise<string | undefined> {
  const { config, metrics, shutdown } = parts;
  const { port } = config.metrics;
  const { host } = config.http;
  if (port === undefined) return undefined;
  const server = createServer({ requestTimeout: REQUEST_MS }, (request, response) => {
    if (request.url === '/livez') {
      response.setHeader('content-type', 'application/json').end('{"status":"ok"}');
    } else if (request.url === '/metrics') {
      metrics.registry.metrics().then(
        (text) => response.setHeader('content-type', metrics.registry.contentType).end(text),
        () => response.writeHead(500).end(),
      );
    } else {
      response.writeHead(404).end();
    }
  });
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, { host, port, portVariable: 'METRICS_PORT' });
  }
  shutdown.step('metrics', async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://${host}:${(server.address() as { port: number }).port}`;
}
