/** METRICS_PORT: what a worker or sweeper counts, and how it is, for Prometheus and for whoever restarts it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { liveness } from '../vital-signs.ts';
import { CHECK_MS, type Check, check, seldom } from './checks.ts';
import type { Parts } from './parts.ts';
import { listenError } from './run.ts';

const REQUEST_MS = 5_000;

type PortParts = Pick<Parts, 'config' | 'metrics' | 'shutdown' | 'signs'> & {
  catalogue: Pick<Parts['catalogue'], 'ping'>;
  queue: Pick<Parts['queue'], 'counts'>;
};

/** Ready: the catalogue and the queue answer, and what this process is for runs. */
function readiness({ catalogue, queue, shutdown, signs }: PortParts) {
  const look = seldom(async () => {
    const [catalogueCheck, queueCheck] = await Promise.all([
      check('the catalogue', () => catalogue.ping()),
      check('the queue', () => queue.counts(AbortSignal.timeout(CHECK_MS))),
    ]);
    return { catalogue: catalogueCheck, queue: queueCheck };
  });
  return async () => {
    const parts = await look();
    const ailments = signs
      .list()
      .map(({ part, what }) => [part, { ok: false, reason: `the ${part} ${what}` }]);
    const checks: Record<string, Check> = { ...parts, ...Object.fromEntries(ailments) };
    const degraded = Object.values(checks).flatMap(({ reason }) => reason ?? []);
    const isClosing = shutdown.signal.aborted;
    const isReady = degraded.length === 0 && !isClosing;
    const status = isClosing ? 'closing' : isReady ? 'ok' : 'unavailable';
    return { code: isReady ? 200 : 503, body: { status, degraded, checks } };
  };
}

/**
 * Listens where METRICS_PORT is set; answers GET /metrics, /livez and /readyz, without a key: bind it to an inner
 * address.
 */
export async function openMetricsPort(parts: PortParts): Promise<string | undefined> {
  const { config, metrics, shutdown } = parts;
  const { port } = config.metrics;
  const { host } = config.http;
  if (port === undefined) return undefined;
  const ready = readiness(parts);
  const json = ({ code, body }: { code: number; body: object }) => ({
    code,
    type: 'application/json',
    text: JSON.stringify(body),
  });
  const answers: Record<string, () => Promise<{ code: number; type: string; text: string }>> = {
    '/livez': async () => json(liveness(parts.signs)),
    '/readyz': async () => json(await ready()),
    '/metrics': async () => ({
      code: 200,
      type: metrics.registry.contentType,
      text: await metrics.registry.metrics(),
    }),
  };
  const server = createServer({ requestTimeout: REQUEST_MS }, (request, response) => {
    const answer = answers[request.url ?? ''];
    if (!answer) {
      response.writeHead(404).end();
      return;
    }
    answer().then(
      ({ code, type, text }) => response.writeHead(code, { 'content-type': type }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, { host, port, portVariable: 'METRICS_PORT' });
  }
  // After all that works has closed: a supervisor asks meanwhile, and must hear that it lives.
  shutdown.step('metrics', async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://${host}:${(server.address() as { port: number }).port}`;
}
