import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { retriesPage } from '../../docs/generate/retries.ts';

test('docs/retries.md is what the policy says', () => {
  const written = readFileSync(new URL('../../docs/retries.md', import.meta.url), 'utf8');
  assert.ok(written === retriesPage(), 'run `node bin/run.js docs/generate/main.ts`');
});
