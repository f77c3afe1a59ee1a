import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { openMetricsPort } from '../../src/assembly/metrics-port.ts';
import { loadConfig } from '../../src/config.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createShutdown } from '../../src/shutdown.ts';

function partsOn(t: TestContext, port: number | undefined) {
  const shutdown = createShutdown({ debug() {}, info() {}, warn() {} });
  t.after(() => shutdown.run('test over'));
  return { config: { ...loadConfig({}), metrics: { port } }, metrics: createMetrics(), shutdown };
}

test('a worker answers what it counts, that it lives, and nothing else', async (t) => {
  const parts = partsOn(t, 0);
  const url = await openMetricsPort(parts);
  parts.metrics.archived.inc(3);
  assert.match(await (await fetch(`${url}/metrics`)).text(), /^wma_archived_total 3$/m);
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  assert.equal((await fetch(`${url}/v1/media`)).status, 404);
});

test('without METRICS_PORT nothing listens', async (t) => {
  assert.equal(await openMetricsPort(partsOn(t, undefined)), undefined);
});

test('a port that is taken is said with its variable', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  await assert.rejects(openMetricsPort(partsOn(t, port)), /METRICS_PORT/);
});
