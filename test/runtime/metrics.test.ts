/** A program exports only the metrics that it counts itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, exposeOnlyMetricsOf } from '../../src/runtime/metrics.ts';

async function shownBy(program: string): Promise<Set<string>> {
  const metrics = createMetrics();
  exposeOnlyMetricsOf(program, metrics);
  // Counting a metric that is not exported must not fail.
  metrics.archived.inc();
  metrics.received.inc();
  const text = await metrics.registry.metrics();
  return new Set([...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!));
}

test('a server exports no count of archived items, and a worker no count of items at risk', async () => {
  const [server, worker, sweep, all] = await Promise.all(['server', 'worker', 'sweep', 'all'].map(shownBy));
  for (const name of ['wma_archived_total', 'wma_failed_total', 'wma_time_to_archive_seconds'])
    assert.deepEqual(
      [server!.has(name), worker!.has(name), sweep!.has(name), all!.has(name)],
      [false, true, false, true],
      name,
    );
  for (const name of ['wma_at_risk', 'wma_backlog', 'wma_callbacks_total', 'wma_spool_records'])
    assert.deepEqual(
      [server!.has(name), worker!.has(name), sweep!.has(name), all!.has(name)],
      [true, false, false, true],
      name,
    );
  for (const shown of [server, worker, sweep, all]) assert.ok(shown!.has('wma_check_failing'));
  const everything = new Set([...server!, ...worker!, ...sweep!]);
  assert.deepEqual(everything, all, 'each metric is shown by some program');
});

test('the byte budget, memory and processor are read at the moment of a scrape', async () => {
  const budget = { totalBytes: 100, freeBytes: 100, waiting: 0 };
  const { registry } = createMetrics({ budget });
  const read = async (name: string) =>
    Number(new RegExp(`^wma_${name} (.+)$`, 'm').exec(await registry.metrics())?.[1]);
  assert.equal(await read('byte_budget_bytes'), 100);
  assert.equal(await read('byte_budget_reserved_bytes'), 0);
  Object.assign(budget, { freeBytes: 30, waiting: 2 });
  assert.equal(await read('byte_budget_reserved_bytes'), 70);
  assert.equal(await read('byte_budget_waiting'), 2);
  assert.ok((await read('memory_bytes')) > 1e7);
  const first = await read('cpu_seconds_total');
  const used = process.cpuUsage();
  while (process.cpuUsage(used).user < 30_000);
  const grown = (await read('cpu_seconds_total')) - first;
  assert.ok(grown >= 0.03 && grown < first + 10, `${first} s, then ${grown} s more`);
});
