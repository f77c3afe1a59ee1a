import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderForTest } from './cleanup.ts';
import { compareUnsteady, rememberUnsteady } from './unsteady.ts';

test('a test file that is unsteady once is remembered and not reported', () => {
  assert.deepEqual(compareUnsteady([], { ran: ['a', 'b'], unsteady: ['a'] }), { repeated: [], next: ['a'] });
});

test('a test file that is unsteady in two runs in a row is reported', () => {
  const { repeated, next } = compareUnsteady(['a', 'b'], { ran: ['a', 'b', 'c'], unsteady: ['c', 'a'] });
  assert.deepEqual(repeated, ['a']);
  assert.deepEqual(next, ['a', 'c']);
});

test('a test file that passes is no longer remembered, and one that did not run still is', () => {
  assert.deepEqual(compareUnsteady(['a', 'b'], { ran: ['a'], unsteady: [] }), { repeated: [], next: ['b'] });
});

test('the list of unsteady test files is kept in a file from run to run', async (t) => {
  const file = join(await folderForTest(t), 'new', 'unsteady.json');
  const run = { ran: ['a', 'b'], unsteady: ['b'] };
  assert.deepEqual(await rememberUnsteady(file, run), []);
  assert.deepEqual(await rememberUnsteady(file, run), ['b']);
  assert.deepEqual(await rememberUnsteady(file, { ...run, unsteady: [] }), []);
  assert.equal(await readFile(file, 'utf8'), '[]\n');
});

test('a broken list of unsteady test files counts as an empty one', async (t) => {
  const file = join(await folderForTest(t), 'unsteady.json');
  await writeFile(file, '{');
  assert.deepEqual(await rememberUnsteady(file, { ran: ['a'], unsteady: ['a'] }), []);
});
