import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { cliPage } from '../../docs/generate/cli.ts';
import { DRIFT } from '../../src/pipeline/verify/verifier.ts';
import { runWma } from '../cli/wma.ts';

const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

test('docs/cli.md is what the program says; else run docs/generate/main.ts', () => {
  assert.equal(page('cli.md'), cliPage());
});

test('docs/cli.md names every command that wma --help names, and no other', async () => {
  const { code, stdout } = await runWma(['--help']);
  assert.equal(code, 0);
  const listed = [
    ...stdout
      .split('Commands:')[1]!
      .split('\n\n')[0]!
      .matchAll(/^ {2}([a-z-]+) /gm),
  ];
  const documented = [...page('cli.md').matchAll(/^## wma ([a-z-]+)$/gm)];
  assert.ok(listed.length > 10);
  assert.deepEqual(
    documented.map(([, name]) => name),
    listed.map(([, name]) => name),
  );
});

test('every command says what it takes', async () => {
  const headings = [...page('cli.md').matchAll(/^## wma ([a-z-]+)$/gm)];
  assert.ok(headings.length > 10, 'the page has headings');
  for (const [, name] of headings) {
    const { code, stdout } = await runWma([name!, '--help']);
    assert.equal(code, 0, name);
    assert.match(stdout, new RegExp(`^Usage: wma ${name}\\b`));
    assert.match(stdout, /--url <url>/, 'the global options too');
  }
});

test('docs/verification.md marks as different what counts as drift, and nothing else', () => {
  const rows = [...page('verification.md').matchAll(/^\| (`[^|]+) \|[^|]+\| ✗ \|$/gm)];
  const marked = rows.flatMap(([, names]) => [...names!.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  assert.ok(rows.length > 0 && marked.length > 0, 'the page has a table');
  assert.deepEqual(marked.toSorted(), [...DRIFT].toSorted());
});
