/** The benchmark runs and writes what it promises. What it measures decides nothing here: machines differ. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Report } from '../../bench/report.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const bench = (...args: string[]) =>
  run(process.execPath, ['--disable-warning=ExperimentalWarning', 'bench/main.ts', ...args], { cwd: ROOT });

test('the smallest part ends, prints its ratios first and writes them with the machine named', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const json = join(folder, 'report.json');
  const args = ['--part', 'byte-path', '--set', 'shape=picture 100', '--quick', '--rounds', '1'];
  const { stdout } = await bench(...args, '--json', json);
  assert.match(stdout, /^way +CPU ÷ floor +least ÷ least +files\/s ÷ naive/m);

  const report: Report = JSON.parse(await readFile(json, 'utf8'));
  assert.equal(report.quick, true);
  assert.equal(report.machine.node, process.version);
  assert.ok(report.machine.cpu);
  assert.deepEqual(Object.keys(report.parts), ['byte-path']);
  const { tables, bars } = report.parts['byte-path']!;
  assert.deepEqual(
    tables[0]!.rows.map(([way]) => way),
    ['product', 'floor: one PUT', 'naive'],
  );
  for (const row of tables[0]!.rows) {
    assert.equal(row.length, tables[0]!.columns.length);
    assert.ok(row.slice(1).every((cell) => typeof cell === 'number' && cell > 0));
  }
  assert.equal(bars.length, 2);
  for (const bar of bars) assert.ok(bar.measured > 0 && (bar.atMost ?? bar.atLeast));
});

test('an invalid argument is an error that prints the usage', async () => {
  const mistakes: [args: string[], said: RegExp][] = [
    [
      ['--part', 'nonsense'],
      /^no part nonsense\n.*\nparts: byte-path, end-to-end, ingest, memory, growth, start/,
    ],
    [['--rounds', 'many'], /^--rounds many: give a whole number/],
    [['--nonsense'], /'--nonsense'.*\nnpm run bench -- \[--part <name>\]/],
  ];
  for (const [args, said] of mistakes) {
    await assert.rejects(bench(...args), (error: { code: number; stderr: string }) => {
      assert.equal(error.code, 2);
      assert.match(error.stderr, said);
      return true;
    });
  }
});
