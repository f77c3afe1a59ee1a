import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createAccounts } from '../../src/account.ts';
import type { CheckRun } from '../../src/app/checks.ts';
import { reportAtStart } from '../../src/app/start-report.ts';
import type { FactGatherer } from '../../src/pipeline/checks/gather.ts';
import { createLog } from '../../src/runtime/log.ts';
import { createShutdown } from '../../src/runtime/shutdown.ts';

const NOW = new Date('2026-11-30T08:00:00Z');
/** Items have waited for an hour, and the process that starts now has not written its heartbeat. */
const WAITING: FactGatherer = {
  process: async () => ({ now: NOW, process: 'p', conditions: [] }),
  catalogue: async () => ({
    catalogue: { ok: true },
    workers: { alive: 0, dueSince: new Date(NOW.getTime() - 3_600_000) },
  }),
  queue: async () => ({ queue: { ok: true } }),
  store: async () => ({ store: { ok: true } }),
};

async function reportOf(consumer?: Promise<unknown>): Promise<string> {
  const lines = new PassThrough();
  const log = createLog({
    level: 'info',
    program: 'test',
    secrets: [],
    write: (line) => void lines.write(line),
  });
  const shutdown = createShutdown(log);
  void reportAtStart(
    { accounts: createAccounts([]), gather: WAITING, log, shutdown },
    consumer ? { consumer } : {},
  );
  if (lines.readableLength === 0) await once(lines, 'readable');
  await shutdown.run('the test is over');
  lines.end();
  return text(lines);
}

test('a server that starts reports that no worker is alive although items wait', async () => {
  assert.match(await reportOf(), /"check":"workers_missing"/);
});

test('a worker that starts does not report that no worker is alive', async () => {
  const report = await reportOf(Promise.resolve());
  assert.match(report, /start: catalogue, queue and store respond/);
  assert.doesNotMatch(report, /workers_missing/);
});

test('a part that is late is shown as unknown, and logged when its result is known', async () => {
  const late = Promise.withResolvers<{ store: { ok: boolean } }>();
  const gather: FactGatherer = { ...WAITING, store: () => late.promise };
  const lines: string[] = [];
  const log = createLog({ level: 'info', program: 'test', secrets: [], write: (line) => lines.push(line) });
  const shutdown = createShutdown(log);
  const shown: CheckRun[] = [];
  await reportAtStart(
    { accounts: createAccounts([]), gather, log, shutdown },
    { consumer: Promise.resolve(), show: (run) => shown.push(run) },
  );
  assert.deepEqual(
    [shown.length, shown[0]?.facts.catalogue, shown[0]?.facts.store],
    [1, { ok: true }, undefined],
  );
  late.resolve({ store: { ok: false } });
  while (!lines.some((line) => line.includes('start: '))) await setImmediate();
  assert.match(lines.join(''), /"check":"store_unavailable"/);
  await shutdown.run('the test is over');
});

test('what was shown on the terminal of the log is not logged again', async () => {
  const gather: FactGatherer = { ...WAITING, queue: async () => ({ queue: { ok: false } }) };
  const lines: string[] = [];
  const log = createLog({ level: 'info', program: 'test', secrets: [], write: (line) => lines.push(line) });
  const shutdown = createShutdown(log);
  const shown: CheckRun[] = [];
  await reportAtStart(
    { accounts: createAccounts([]), gather, log, shutdown },
    { show: (run) => shown.push(run), isLogShown: true },
  );
  await shutdown.run('the test is over');
  assert.ok(shown[0]?.found.some(({ code }) => code === 'queue_away'));
  assert.doesNotMatch(lines.join(''), /queue_away/);
});
