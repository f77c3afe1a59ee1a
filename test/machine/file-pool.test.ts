import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderForTest } from './cleanup.ts';
import { longestFirst } from './durations.ts';
import { runFiles } from './file-pool.ts';
import { oneByCommit, runsAll } from './selection.ts';

const FILES = {
  'passes.test.js': `test('passes', () => {}); test('is left out', { skip: 'a reason' }, () => {});`,
  'fails.test.js': `test('fails', () => { throw new Error('on purpose'); });`,
  'dies.test.js': `test('dies', () => process.kill(process.pid, 'SIGKILL'));`,
};

test('the pool runs files in order, counts their tests and reports failures and crashes', async (t) => {
  const folder = await folderForTest(t);
  for (const [name, text] of Object.entries(FILES))
    await writeFile(join(folder, name), `const { test } = require('node:test');\n${text}\n`);
  const printed: string[] = [];
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const results = await runFiles(Object.keys(FILES), {
    root: folder,
    folder,
    concurrency: 1,
    environment,
    nodeArgs: [],
    signal: new AbortController().signal,
    print: (text) => printed.push(text),
  });
  assert.deepEqual(
    results.map(({ file, passed, counts }) => ({ file, passed, counts })),
    [
      { file: 'passes.test.js', passed: true, counts: { passed: 1, failed: 0, skipped: 1 } },
      { file: 'fails.test.js', passed: false, counts: { passed: 0, failed: 1, skipped: 0 } },
      { file: 'dies.test.js', passed: false, counts: undefined },
    ],
  );
  assert.match(printed[0]!, /^passes\.test\.js \d+\.\d s\n✔ passes/);
  assert.match(printed[1]!, /FAILED \(exit code 1\)\n[\s\S]*on purpose/);
  assert.match(printed[2]!, /FAILED \(SIGKILL\)/);
  assert.doesNotMatch(printed.join(''), /ℹ tests|duration_ms \d/, 'the runner prints the totals');
});

test('the longest test files start first, and unknown ones before short ones', () => {
  assert.deepEqual(longestFirst(['a', 'b', 'c', 'd'], { b: 9, c: 30, d: 1 }), ['c', 'b', 'a', 'd']);
});

test('the commit chooses one of several long runs, always the same one', { skip: runsAll }, () => {
  const chosen = oneByCommit(['a', 'b', 'c']);
  assert.equal(chosen.length, 1);
  assert.deepEqual(oneByCommit(['a', 'b', 'c']), chosen);
  assert.deepEqual(oneByCommit([]), []);
});
