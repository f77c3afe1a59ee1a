/** A week of a service that is well fires no alert, and the same week with one fault does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folderForTest } from '../end-to-end/programs.ts';
import { programForTest } from '../machine/services.ts';
import { runUnitTests, type UnitTest } from './rules-file.ts';
import { AFTER_ALBUM, quietWeek, WEEK_MINUTES } from './week.ts';

const LONG = { timeout: 600_000 };
/** Each minute in `npm run test:all`, else every fourth: windows of five minutes still have two samples. */
const STEP = process.env.WMA_TEST_ALL === '1' ? 1 : 4;
const everFired = (atMinute: number, names: readonly string[]): UnitTest['expect'][number] => ({
  expr: 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[7d]))',
  atMinute,
  samples: names.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
});
const holds = (atMinute: number, expr: string, labels = '{archiver="main"}') => ({
  expr,
  atMinute,
  samples: [{ labels, value: 1 }],
});

test(
  'no alert fires in a quiet week of seven days, though some conditions begin and end',
  LONG,
  async (t) => {
    const program = programForTest(t, 'promtool');
    if (!program) return;
    const series = quietWeek(STEP);
    assert.ok(Object.keys(series).length > 100);
    const pending = 'count(count by (alertname) (count_over_time(ALERTS{alertstate="pending"}[7d])))';
    const expect = [
      everFired(WEEK_MINUTES, []),
      // The week is not empty: an album waited, alerts were pending, and the quota was read again each day.
      holds(AFTER_ALBUM, 'max_over_time(archiver:wma_backlog:max[30m]) > bool 1000'),
      holds(WEEK_MINUTES, `${pending} >= bool 4`, '{}'),
      holds(WEEK_MINUTES, 'count_over_time(archiver:wma_quota_remaining:min[7d:1h]) > bool 150'),
      holds(WEEK_MINUTES, 'archiver:wma_archived:rate1h > bool 0'),
    ];
    await runUnitTests(program, await folderForTest(t), [{ name: 'quiet week', series, expect }], STEP);
  },
);

test('ten hours of the same week without a worker at their end fire', LONG, async (t) => {
  const program = programForTest(t, 'promtool');
  if (!program) return;
  const week = quietWeek(STEP);
  const missing = Object.keys(week).filter((one) => one.includes('"workers_missing"'));
  assert.equal(missing.length, 2);
  const hours = 10;
  const values = `0x${(hours * 60) / STEP - 6} 1x10`;
  const series = { ...week, ...Object.fromEntries(missing.map((one) => [one, values])) };
  const expect = [everFired(hours * 60, ['WmaNoWorker'])];
  await runUnitTests(program, await folderForTest(t), [{ name: 'no worker', series, expect }], STEP);
});
