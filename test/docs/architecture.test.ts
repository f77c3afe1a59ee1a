/** The pages for contributors: the generated parts are current, and every file that a page names exists. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { layersDiagram, layersTable, siblingsTable } from '../../docs/generate/architecture.ts';
import { STATUSES, WAITING_REASONS } from '../../src/media.ts';
import { ADAPTERS, LAYERS } from '../structure/layers.ts';
import { ROOT } from '../structure/sources.ts';

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

for (const [name, part] of Object.entries({
  layers: layersDiagram,
  'layer table': layersTable,
  siblings: siblingsTable,
})) {
  test(`docs/architecture.md has the ${name} of the structure rules`, () => {
    const [start, end] = [`<!-- ${name}: written by docs/generate/main.ts -->\n`, `\n<!-- /${name} -->`];
    const isCurrent = read('docs/architecture.md').includes(start + part() + end);
    assert.ok(isCurrent, 'run `node bin/run.js docs/generate/main.ts`');
  });
}

test('the diagram has a box for each layer and an arrow from each program', () => {
  const diagram = layersDiagram();
  for (const layer of Object.keys(LAYERS)) {
    if (ADAPTERS.includes(layer)) assert.ok(diagram.includes(layer), layer);
    else assert.match(diagram, new RegExp(`^  ${layer}\\["`, 'm'));
  }
  assert.match(diagram, /^ {2}app --> pipeline$/m);
  assert.doesNotMatch(diagram, /server --> domain/, 'what follows from other arrows is left out');
});

test('docs/states.md names every status and every reason to wait', () => {
  const page = read('docs/states.md');
  for (const word of [...STATUSES, ...WAITING_REASONS]) assert.ok(page.includes(`| \`${word}\` |`), word);
});

test('every file of the sources that a page for contributors names exists', () => {
  const missing: string[] = [];
  for (const page of [
    'CONTRIBUTING.md',
    'docs/architecture.md',
    'docs/states.md',
    'SECURITY.md',
    'README.md',
  ]) {
    for (const [path] of read(page).matchAll(/(?<![\w/.-])(?:src|test|workers|bench|docs|bin)\/[\w./-]*\w/g))
      if (!existsSync(join(ROOT, path))) missing.push(`${page}: ${path}`);
  }
  assert.deepEqual(missing, []);
});
