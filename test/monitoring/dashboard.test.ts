/** The Grafana dashboard can be imported, and shows what it says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { grafanaDashboard } from '../../docs/generate/grafana/dashboard.ts';
import { DASHBOARD_FILE, dashboard, expressions, type GridPosition, panels } from './dashboard-file.ts';
import { knownMetrics, metricsIn, NOT_YET, ROOT } from './rules-file.ts';

test('the dashboard is the one that the list of panels says', () => {
  const written = readFileSync(join(ROOT, DASHBOARD_FILE), 'utf8');
  assert.ok(written === grafanaDashboard(), 'run `node bin/run.js docs/generate/main.ts`');
});

test('it has the fields that an import needs, and its variables are the ones that it uses', () => {
  assert.equal(dashboard.id, null, 'an import gives it an id');
  assert.match(dashboard.uid, /^[\w-]{1,40}$/);
  assert.ok(dashboard.schemaVersion >= 36, 'Grafana 10');
  const names = dashboard.templating.list.map(({ name }) => name);
  assert.deepEqual(names, ['datasource', 'archiver']);
  assert.equal(dashboard.templating.list[0]?.type, 'datasource');
  const text = JSON.stringify(dashboard);
  for (const [, variable] of text.matchAll(/\$\{?(\w+)\}?/g))
    assert.ok([...names, '__rate_interval', '__range', '__all'].includes(variable!), variable);
});

test('every panel has an id of its own, a title, a description, a unit and a query to the chosen datasource', () => {
  const ids = dashboard.panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const titles = panels.map(({ title }) => title);
  assert.ok(titles.length > 50, `${titles.length} panels`);
  assert.equal(new Set(titles).size, titles.length, 'no title twice');
  for (const { title, description, fieldConfig, targets = [], datasource } of panels) {
    assert.ok(title.length > 2);
    assert.ok((description?.length ?? 0) > 15, title);
    assert.ok(fieldConfig?.defaults.unit, title);
    assert.ok(targets.length > 0, title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    for (const one of [{ datasource }, ...targets])
      assert.equal(one.datasource?.uid, `$\{datasource}`, title);
    const legends = targets.map(({ legendFormat }) => legendFormat);
    assert.equal(new Set(legends).size, legends.length, `${title}: lines can be told apart`);
  }
});

test('no two panels overlap, and none leaves the page', () => {
  const overlaps = (a: GridPosition, b: GridPosition) =>
    a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
  const places = dashboard.panels.map(({ gridPos, title }) => ({ ...gridPos, title }));
  for (const [index, one] of places.entries()) {
    assert.ok(one.x >= 0 && one.w > 0 && one.h > 0 && one.x + one.w <= 24, one.title);
    for (const other of places.slice(index + 1))
      assert.ok(!overlaps(one, other), `${one.title} and ${other.title}`);
  }
  assert.ok(overlaps({ x: 0, y: 0, w: 8, h: 8 }, { x: 7, y: 7, w: 1, h: 1 }));
});

test('every metric of the program that operators need is on it, and it shows none that does not exist', () => {
  const shown = new Set(expressions.flatMap(({ expr }) => metricsIn(expr)));
  const known = knownMetrics();
  assert.deepEqual(
    [...shown].filter((name) => !known.has(name) && !(name in NOT_YET)),
    [],
  );
  assert.deepEqual(
    [...known].filter((name) => !shown.has(name)),
    [],
  );
});

test('no query groups by an id, and each is of the chosen installations', () => {
  for (const { panel, expr } of expressions) {
    assert.doesNotMatch(expr, /by \([^)]*\b(account|id|media|openid)\b/i, panel);
    const selectors = expr.match(/\bwma_\w+(\{[^}]*\})?|\bALERTS(\{[^}]*\})?/g) ?? [];
    for (const selector of selectors) assert.match(selector, /\{archiver=~"\.\*"/, `${panel}: ${selector}`);
  }
});
