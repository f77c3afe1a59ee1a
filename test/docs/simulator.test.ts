import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { simulatorPage } from '../../docs/generate/simulator.ts';

test('docs/simulator.md is what the tables say', () => {
  const written = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8');
  assert.ok(written === simulatorPage(), 'run `node bin/run.js docs/generate/main.ts`');
});
