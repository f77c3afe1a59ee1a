import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checksTable } from '../../docs/generate/checks.ts';
import { metricsTable } from '../../docs/generate/metrics.ts';
import { CHECKS } from '../../src/pipeline/checks/table.ts';

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const REGENERATE = 'is not what the program says: run `node bin/run.js docs/generate/main.ts`';

for (const [name, table] of Object.entries({ checks: () => checksTable('en'), metrics: metricsTable })) {
  test(`the table of ${name} in docs/operations.md is the program's`, () => {
    const [start, end] = [`<!-- ${name}: written by docs/generate/main.ts -->\n`, `\n<!-- /${name} -->`];
    assert.ok(page.includes(start + table() + end), `docs/operations.md ${REGENERATE}`);
  });
}

test('every check is in it, with its rule', () => {
  for (const [name, { rule }] of Object.entries(CHECKS)) {
    assert.ok(page.includes(`| \`${name}\` |`), name);
    assert.ok(page.includes(rule), rule);
  }
});
