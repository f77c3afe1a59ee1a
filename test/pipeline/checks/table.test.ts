/** The list of checks is complete, and it is the only one. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { COMPONENTS } from '../../../src/pipeline/checks/check.ts';
import { findingsOf, readinessOf } from '../../../src/pipeline/checks/findings.ts';
import { CHECK_CODES, checkOf, isCheckCode } from '../../../src/pipeline/checks/table.ts';
import { readinessResponses } from '../../../src/server/routes/health.ts';
import { ROOT, readSources } from '../../structure/sources.ts';

const FINDING = {
  target: 'shop',
  count: 7,
  detail: {
    code: 'ip_not_allowed',
    nearestSeconds: 9_000,
    silentSeconds: 90_000,
    aheadMs: -60_000,
    total: 9,
    words: 'HTTP 403',
    id: 'v',
  },
};
const HAN = /\p{Script=Han}/u;

describe('a check has texts in both languages and a rule', () => {
  for (const code of CHECK_CODES) {
    const { begun, ended, advice, rule, target } = checkOf(code);
    test(code, () => {
      // The checks that only the doctor runs take their texts from its results.
      const hasTexts = code !== 'store_incomplete' && code !== 'store_limited';
      for (const [what, words] of Object.entries({ begun, ended, advice })) {
        if (!hasTexts && what !== 'ended') continue;
        const { en, zh } = words(FINDING);
        assert.match(en, /[a-z]{2}.*[a-z]{2}/, `${what}: ${en}`);
        assert.doesNotMatch(en, HAN, `${what}: ${en}`);
        assert.match(zh, HAN, `${what}: ${zh}`);
        assert.doesNotMatch(en + zh, /undefined|NaN|\[object/);
      }
      assert.match(rule, /\.$/);
      if (target) assert.match(begun(FINDING).en + begun(FINDING).zh, /shop.*shop/s, 'it names its target');
    });
  }
});

describe('the list of checks is the only one', async () => {
  const sources = await readSources(['src', 'workers']);
  const text = (path: string) => readFileSync(join(ROOT, path), 'utf8');
  const reports = sources.flatMap(({ path }) =>
    [...text(path).matchAll(/\bsetUnhealthy\('(\w+)'/g)].map(([, code]) => ({ path, code: code! })),
  );

  test('every condition that a process reports is in the list and is found by it', () => {
    assert.ok(reports.length >= 6);
    const now = new Date();
    for (const { path, code } of reports) {
      assert.ok(isCheckCode(code), `${path} reports ${code}`);
      const conditions = [{ code, since: now, count: 1, detail: {} }];
      const { found } = findingsOf({ now, process: 'p', conditions });
      assert.deepEqual(
        found.map((one) => [one.code, one.target]),
        [[code, 'p']],
      );
    }
  });

  test('health, doctor, metrics, alerts and dashboard are computed from it', () => {
    const users = {
      'src/server/routes/health.ts': /readinessOf\(findings\)/,
      'src/app/metrics-port.ts': /readinessOf\(findings\).*updateCheckMetrics\(/s,
      'src/server/routes/operations/doctor.ts': /findingsJson\('doctor', findingsOf\(facts\)/,
      'src/server/routes/metrics.ts': /updateCheckMetrics\(metrics, run\)/,
      'src/pipeline/alerts/watch.ts': /findingsOf\(facts\)/,
      'src/server/routes/operations/stats.ts': /findingsJson\('page', findings/,
      'src/server/dashboard/routes.ts': /findingsJson\('page', visible/,
      'src/server/dashboard/pages/overview/attention.ts': /stats\.checks/,
    };
    for (const [path, pattern] of Object.entries(users)) assert.match(text(path), pattern, path);
  });

  test('no other file makes findings', () => {
    const makers = sources
      .map(({ path }) => path)
      .filter((path) => !path.startsWith('src/pipeline/checks/'))
      .filter((path) => /\bok: false,\s*(reason|message):/.test(text(path)));
    // The doctor's test of the store is one of the facts.
    assert.deepEqual(makers, ['src/pipeline/maintenance/store-check.ts']);
  });
});

test('/readyz has every component and accepts only codes of the list', () => {
  const { degraded, checks } = readinessOf(
    findingsOf({
      now: new Date(),
      process: 'host (server, 1)',
      queue: { ok: false },
      catalogue: { ok: false },
    }),
  );
  assert.deepEqual(degraded, ['catalogue_away', 'queue_away']);
  assert.deepEqual(Object.keys(checks), [...COMPONENTS]);
  assert.deepEqual(checks.queue, { ok: false, codes: ['queue_away'] });
  readinessResponses[200].parse({ status: 'degraded', degraded, checks });
  assert.equal(
    readinessResponses[200].safeParse({ status: 'degraded', degraded: ['Redis at 10.0.0.1 is down'], checks })
      .success,
    false,
  );
});

test('a check without its facts is neither found nor known', () => {
  const { found, known } = findingsOf({ now: new Date(), process: 'p' });
  assert.deepEqual([found, known], [[], []]);
});
