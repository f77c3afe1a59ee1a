/** The server of METRICS_PORT: metrics and health of a worker or sweeper, for Prometheus and for a supervisor. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { findingsFor, readinessOf } from '../pipeline/checks/findings.ts';
import { updateCheckMetrics } from '../pipeline/checks/metrics.ts';
import { checkOf } from '../pipeline/checks/table.ts';
import { liveness } from '../runtime/health.ts';
import {
  LISTENER_LIMITS,
  type ListenerLimits,
  limitConnections,
  timeoutsOf,
} from '../runtime/network/server-limits.ts';
import type { AppContext } from './app-context.ts';
import { atMostOncePerSecond, type CheckRun, runChecks } from './checks.ts';
import { listenError } from './run.ts';

/** Enough for a few Prometheus servers and a supervisor. */
const LIMITS: ListenerLimits = { ...LISTENER_LIMITS, requestMs: 5_000, connections: 100 };

type MetricsPortContext = Pick<AppContext, 'config' | 'gather' | 'metrics' | 'shutdown' | 'health'>;

/**
 * Returns a function that computes the response of /readyz. Ready means: the catalogue and the queue respond, and no
 * check of this process has failed with an error.
 */
function readiness({ shutdown }: MetricsPortContext, recentChecks: () => Promise<CheckRun>) {
  return async () => {
    const findings = await recentChecks();
    const isClosing = shutdown.signal.aborted;
    const stops = findingsFor('readyz', findings).some(({ code, target }) => {
      const { component: part, severity } = checkOf(code);
      if (severity !== 'error') return false;
      return part === 'catalogue' || part === 'queue' || target === findings.facts.process;
    });
    const { degraded, checks } = readinessOf(findings);
    const isReady = !stops && !isClosing;
    const status = isClosing ? 'closing' : stops ? 'unavailable' : degraded.length > 0 ? 'degraded' : 'ok';
    return { code: isReady ? 200 : 503, body: { status, degraded, checks } };
  };
}

/**
 * Listens if METRICS_PORT is set. Serves GET /metrics, /livez and /readyz without a key, so it should be bound to an
 * internal address. Resolves with its URL, or undefined without METRICS_PORT.
 */
export async function openMetricsPort(parts: MetricsPortContext): Promise<string | undefined> {
  const { config, metrics, shutdown } = parts;
  const { port } = config.metrics;
  const { host } = config.http;
  if (port === undefined) return undefined;
  const recentChecks = atMostOncePerSecond(() => runChecks(parts.gather));
  const ready = readiness(parts, recentChecks);
  const json = ({ code, body }: { code: number; body: object }) => ({
    code,
    type: 'application/json',
    text: JSON.stringify(body),
  });
  const routes: Record<string, () => Promise<{ code: number; type: string; text: string }>> = {
    '/livez': async () => json(liveness(parts.health)),
    '/readyz': async () => json(await ready()),
    '/metrics': async () => {
      updateCheckMetrics(metrics, await recentChecks());
      return { code: 200, type: metrics.registry.contentType, text: await metrics.registry.metrics() };
    },
  };
  const server = createServer(timeoutsOf(LIMITS), (request, response) => {
    const respond = routes[request.url ?? ''];
    if (!respond) {
      response.writeHead(404).end();
      return;
    }
    respond().then(
      ({ code, type, text }) => response.writeHead(code, { 'content-type': type }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  limitConnections(server, LIMITS.connections);
  server.setTimeout(LIMITS.silentMs);
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, { host, port, portVariable: 'METRICS_PORT' });
  }
  // Closed last, because a supervisor polls during the shutdown and must see that the process is alive.
  shutdown.step('metrics', async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://${host}:${(server.address() as { port: number }).port}`;
}
