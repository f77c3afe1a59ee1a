import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { metricsTable } from '../../src/metrics-page.ts';
import { KINDS } from '../../src/pipeline/alerts/kinds.ts';
import { alertsTable } from '../../src/pipeline/alerts/page.ts';

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const REGENERATE = 'is not what the program says: run `node bin/run.js docs/generate.ts`';

for (const [name, table] of Object.entries({ alerts: alertsTable, metrics: metricsTable })) {
  test(`the table of ${name} in docs/operations.md is the program's`, () => {
    const [start, end] = [`<!-- ${name}: written by docs/generate.ts -->\n`, `\n<!-- /${name} -->`];
    assert.ok(page.includes(start + table() + end), `docs/operations.md ${REGENERATE}`);
  });
}

test('every kind of alert is in it, with its rule', () => {
  for (const [name, { rule }] of Object.entries(KINDS)) {
    assert.ok(page.includes(`| \`${name}\` |`), name);
    assert.ok(page.includes(rule), rule);
  }
});
