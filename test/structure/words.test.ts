/** The words that were replaced do not come back: in code, comments, log lines, tests and documents. */
import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './sources.ts';
import { oldWordsIn, plainWords } from './words.ts';

const FILES = ['{src,workers,test,bench,bin}/**/*.{ts,js,sql}', '*.md', 'docs/**/*.{md,ts}'];
/** Files that have to name old words. */
const EXEMPT = new Set(['test/structure/words.ts', 'test/structure/words.test.ts', 'CHANGELOG.md']);

test('no file uses a word that the glossary replaced', async () => {
  const found: string[] = [];
  let files = 0;
  for await (const path of glob(FILES, { cwd: ROOT })) {
    if (EXEMPT.has(path)) continue;
    files++;
    found.push(...oldWordsIn(path, await readFile(join(ROOT, path), 'utf8')));
  }
  assert.ok(files > 500, `${files} files`);
  assert.deepEqual(found, []);
});

test('names are taken apart before they are compared', () => {
  assert.equal(
    plainWords('const startFeeder = createHTTPFeed(FED_AT, fed_at)'),
    'const start feeder create http feed fed at fed at ',
  );
});

for (const [text, count] of [
  ['startFeeder(context)', 1],
  ['SELECT fed_at FROM media', 1],
  ['a federated feed of feedback', 0],
  ["headers['content-disposition']", 0],
  ['const disposition = finish()', 1],
  ['a media waits', 2],
  ['a media item waits for a media id of a media type', 0],
  ['one media item has five attempts', 0],
  ['after three tries', 1],
  ['the worker tries again', 0],
  ['nobody tells whoever it may be', 2],
] as const) {
  test(`old words in "${text}": ${count}`, () => assert.equal(oldWordsIn('x.ts', text).length, count));
}
