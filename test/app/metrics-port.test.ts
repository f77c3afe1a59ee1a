import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createAccounts } from '../../src/account.ts';
import { openMetricsPort } from '../../src/app/metrics-port.ts';
import { loadConfig } from '../../src/config/config.ts';
import { createFactGatherer, type FactGathererDeps } from '../../src/pipeline/checks/gather.ts';
import { createLifetimes, systemClock } from '../../src/runtime/clock.ts';
import { createHealth } from '../../src/runtime/health.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { createShutdown } from '../../src/runtime/shutdown.ts';

const NONE = { count: 0, firstAt: undefined, expiresAt: undefined };
const COUNTS = { waiting: 0, active: 0, delayed: 0, completed: 0, failed: 0 };

function partsOn(t: TestContext, port: number | undefined) {
  const shutdown = createShutdown({ debug() {}, info() {}, warn() {} });
  t.after(() => shutdown.run('test over'));
  const away = { catalogue: false, queue: false };
  const respond = async <T>(isAway: boolean, value: T): Promise<T> => {
    if (isAway) throw new Error('away');
    return value;
  };
  const health = createHealth(systemClock.now);
  const catalogue = {
    accounts: { list: () => respond(away.catalogue, []) },
    processes: { read: async () => ({ processes: [], workers: { alive: 1 } }) },
    storeHold: { read: async () => ({ hold: undefined, lastProbeSuccessAt: undefined }) },
    verifications: { getLastDone: async () => undefined },
    events: { oldestWaiting: async () => undefined },
    alertFacts: {
      atRisk: async () => NONE,
      unacknowledged: async () => NONE,
      storeRefused: async () => NONE,
      callbackDays: async () => new Map(),
    },
  };
  const gather = createFactGatherer({
    catalogue: catalogue as unknown as FactGathererDeps['catalogue'],
    queue: { counts: () => respond(away.queue, COUNTS), probe: () => respond(away.queue, undefined) },
    storeHealth: { check: async () => undefined },
    accounts: createAccounts([]),
    health,
    clock: systemClock,
    lifetimes: createLifetimes({ mediaLifetimeMs: 3_600_000, timeScale: 1 }),
    process: 'this one',
    log: { info() {}, warn() {}, error() {} },
    metrics: createMetrics(),
  });
  return {
    config: { ...loadConfig({}), metrics: { port } },
    metrics: createMetrics(),
    health,
    shutdown,
    away,
    gather,
  };
}

interface Ready {
  status: string;
  degraded: string[];
  checks: Record<string, { ok: boolean; codes?: string[] }>;
}

/** Polls, because the checks run at most once a second. */
async function askAgain(url: string, isThere: (code: number, body: Ready) => boolean): Promise<Ready> {
  for (;;) {
    const response = await fetch(`${url}/readyz`);
    const body = (await response.json()) as Ready;
    if (isThere(response.status, body)) return body;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('a worker serves its metrics, liveness and readiness, and nothing else', async (t) => {
  const parts = partsOn(t, 0);
  const url = await openMetricsPort(parts);
  parts.metrics.archived.inc(3);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^wma_archived_total 3$/m);
  const live = await fetch(`${url}/livez`);
  assert.deepEqual([live.status, await live.json()], [200, { status: 'ok', reasons: [] }]);
  const ready = await fetch(`${url}/readyz`);
  const { checks, ...body } = (await ready.json()) as Ready;
  assert.deepEqual([ready.status, body], [200, { status: 'ok', degraded: [] }]);
  assert.deepEqual([checks.catalogue, checks.queue], [{ ok: true }, { ok: true }]);
  assert.equal((await fetch(`${url}/v1/media`)).status, 404);
});

test('a worker is not ready while the catalogue or the queue is unavailable, and names which', async (t) => {
  const parts = partsOn(t, 0);
  const url = (await openMetricsPort(parts))!;
  parts.away.queue = true;
  const body = await askAgain(url, (code) => code === 503);
  assert.deepEqual([body.status, body.degraded], ['unavailable', ['queue_away']]);
  parts.away.queue = false;
  parts.away.catalogue = true;
  await askAgain(url, (code, { degraded }) => code === 503 && degraded[0] === 'catalogue_away');
  parts.away.catalogue = false;
  await askAgain(url, (code) => code === 200);
});

test('a failing consumer makes the worker unready, and one that needs a restart makes it not live', async (t) => {
  const parts = partsOn(t, 0);
  const url = (await openMetricsPort(parts))!;
  parts.health.setUnhealthy('consumer_closed');
  const body = await askAgain(url, (code) => code === 503);
  assert.deepEqual(body.degraded, ['consumer_closed']);
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  parts.health.setHealthy('consumer_closed');
  parts.health.setUnhealthy('worker_quiet', { isFatal: true });
  const live = await fetch(`${url}/livez`);
  assert.deepEqual([live.status, await live.json()], [503, { status: 'stuck', reasons: ['worker_quiet'] }]);
  parts.health.setHealthy('worker_quiet');
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  await askAgain(url, (code) => code === 200);
});

test('a worker that closes is live and not ready', async (t) => {
  const parts = partsOn(t, 0);
  const url = (await openMetricsPort(parts))!;
  const { promise: asked, resolve: go } = Promise.withResolvers<void>();
  parts.shutdown.step('media in hand', () => asked);
  const closing = parts.shutdown.run('SIGTERM');
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  const ready = await fetch(`${url}/readyz`);
  assert.deepEqual([ready.status, ((await ready.json()) as Ready).status], [503, 'closing']);
  go();
  await closing;
});

test('without METRICS_PORT no port is opened', async (t) => {
  assert.equal(await openMetricsPort(partsOn(t, undefined)), undefined);
});

test('the error for a port in use names its variable', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  await assert.rejects(openMetricsPort(partsOn(t, port)), /METRICS_PORT/);
});
