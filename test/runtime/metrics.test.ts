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
