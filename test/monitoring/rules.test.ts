/** deploy/prometheus: promtool accepts it, each rule does what it says, and the alerts agree with the list of checks. */
import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CHECK_CODES, checkOf, isCheckCode } from '../../src/pipeline/checks/table.ts';
import { anchorsOf } from '../docs/page-shape.ts';
import { folderForTest } from '../end-to-end/programs.ts';
import { programForTest } from '../machine/services.ts';
import { healthy } from './healthy.ts';
import {
  alerts,
  CODES_NOT_YET,
  codesOf,
  firing,
  knownMetrics,
  metricsIn,
  minutesOf,
  NOT_YET,
  promtool,
  ROOT,
  RULES_FILE,
  records,
  rules,
  runUnitTests,
} from './rules-file.ts';
import { BEGINS, FAULTS, MINUTES, RECORDED, RECORDED_CHANGES } from './scripted-faults.ts';

const LONG = { timeout: 300_000 };
const RUNBOOKS = 'https://github.com/wechat-media-archiver/wechat-media-archiver/blob/main/';

test('promtool accepts the rules and the example of a configuration', LONG, async (t) => {
  const program = programForTest(t, 'promtool');
  if (!program) return;
  const folder = await folderForTest(t);
  await copyFile(RULES_FILE, join(folder, 'rules.yml'));
  await copyFile(join(ROOT, 'deploy/prometheus/prometheus.yml'), join(folder, 'prometheus.yml'));
  await writeFile(join(folder, 'wma-metrics-key'), 'a-key');
  const output = await promtool(program, ['check', 'config', '--lint-fatal', 'prometheus.yml'], folder);
  assert.match(output, new RegExp(`${rules.length} rules found`));
});

test(
  'every alert fires in its scripted fault, alone and not before, and none in the healthy hours',
  LONG,
  async (t) => {
    const program = programForTest(t, 'promtool');
    if (!program) return;
    const well = healthy(MINUTES);
    const folder = await folderForTest(t);
    await runUnitTests(program, folder, [
      {
        name: 'healthy',
        series: well,
        expect: [30, BEGINS, 120, MINUTES].map((minute) => firing(minute, [])),
      },
      ...FAULTS.map(({ alert, what, changes, minutes, silentAt, firesAt }) => ({
        name: `${alert}: ${what}`,
        series: { ...healthy(minutes), ...changes },
        expect: [firing(silentAt, []), firing(firesAt, [alert])],
      })),
    ]);
  },
);

test('every recording rule computes what it says', LONG, async (t) => {
  const program = programForTest(t, 'promtool');
  if (!program) return;
  await runUnitTests(program, await folderForTest(t), [
    {
      name: 'recorded',
      series: { ...healthy(MINUTES), ...RECORDED_CHANGES },
      expect: RECORDED.map(({ series, value }) => ({
        // The last digits of a rate depend on the order of additions.
        expr: `round(${series}, 0.000001)`,
        atMinute: BEGINS,
        samples: [{ labels: series.replace(/^[^{]+/, ''), value }],
      })),
    },
  ]);
});

test('a wrong expectation of a unit test is noticed', LONG, async (t) => {
  const program = programForTest(t, 'promtool');
  if (!program) return;
  const expectation = [firing(BEGINS, ['WmaStoreHeld'])];
  const wrong = runUnitTests(program, await folderForTest(t), [
    { name: 'wrong', series: healthy(MINUTES), expect: expectation },
  ]);
  await assert.rejects(wrong, /WmaStoreHeld/);
});

test('every rule has a unit test', () => {
  const tested = new Set(FAULTS.map(({ alert }) => alert));
  assert.deepEqual(
    alerts.map(({ alert }) => alert).filter((alert) => !tested.has(alert)),
    [],
  );
  assert.deepEqual(
    [...tested].filter((name) => !alerts.some(({ alert }) => alert === name)),
    [],
  );
  const computed = RECORDED.map(({ series }) => series);
  for (const { record, labels = {} } of records) {
    const [own] = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
    assert.ok(
      computed.some((one) => one.startsWith(`${record}{`) && (own === undefined || one.includes(own))),
      `${record} ${own ?? ''}`,
    );
  }
});

test('every metric of the rules is one of the program, or is listed as not there yet', () => {
  const known = knownMetrics();
  const read = [...new Set(rules.flatMap(({ expr }) => metricsIn(expr)))];
  assert.ok(read.length > 10, `${read.length} metrics`);
  assert.deepEqual(
    read.filter((name) => !known.has(name) && !(name in NOT_YET)),
    [],
  );
  assert.deepEqual(
    Object.keys(NOT_YET).filter((name) => known.has(name)),
    [],
    'these exist now: remove them from NOT_YET',
  );
  assert.deepEqual(metricsIn('sum(rate(wma_nonsense_bucket[5m])) > archiver:wma_x:y'), ['wma_nonsense']);
  const recorded = new Set(records.map(({ record }) => record));
  for (const { expr } of rules)
    for (const [name] of expr.matchAll(/archiver:\w+:\w+/g)) assert.ok(recorded.has(name), name);
});

describe('the list of checks and the alerts agree', () => {
  const covered = alerts.flatMap(codesOf);

  test('each check that raises an alert of the program is in one alert of Prometheus, and the others are in none', () => {
    const alerting = CHECK_CODES.filter((code) => !checkOf(code).except?.includes('alerts'));
    assert.deepEqual([...covered].sort(), [...alerting, ...CODES_NOT_YET].sort());
    assert.deepEqual(
      CODES_NOT_YET.filter(isCheckCode),
      [],
      'these exist now: remove them from CODES_NOT_YET',
    );
  });

  for (const rule of alerts.filter((one) => codesOf(one).length > 0))
    test(`${rule.alert} has the severity of its checks and does not fire before their alerts`, () => {
      for (const code of codesOf(rule).filter(isCheckCode)) {
        const { severity, alertAfterMs = 0 } = checkOf(code);
        assert.equal(rule.labels?.severity, severity === 'error' ? 'critical' : 'warning', code);
        assert.ok(minutesOf(rule) * 60_000 >= alertAfterMs, `${code} is sent after ${alertAfterMs} ms`);
      }
    });
});

test('every alert has a severity, a summary, a description, and a section of the documents that names it', async () => {
  for (const { alert, labels, annotations } of alerts) {
    assert.match(alert, /^Wma[A-Z]/);
    assert.match(labels?.severity ?? '', /^(critical|warning)$/, alert);
    assert.ok(
      (annotations?.summary?.length ?? 0) > 10 && (annotations?.description?.length ?? 0) > 30,
      alert,
    );
    const url = annotations?.runbook_url ?? '';
    assert.ok(url.startsWith(RUNBOOKS), url);
    const [path, anchor] = url.slice(RUNBOOKS.length).split('#');
    const page = await readFile(join(ROOT, path!), 'utf8');
    assert.ok(anchorsOf(page).includes(anchor!), url);
    const section = page.split(/^(?=#+ )/m).find((part) => anchorsOf(part)[0] === anchor);
    assert.ok(section?.includes(`\`${alert}\``), `the section ${anchor} names ${alert}`);
  }
});
