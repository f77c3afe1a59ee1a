/** Every page exists in English and in Chinese, and a page and its translation have the same headings, examples and tables. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { describe, test } from 'node:test';
import { PAGES, PARTS, withParts } from '../../docs/generate/pages.ts';
import { createTranslator } from '../../docs/generate/zh/translate.ts';
import { ROOT } from '../structure/sources.ts';
import { anchorsOf, blocksOf, differences, numbersOf } from './page-shape.ts';

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

async function pagesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const path of glob(`${folder}/**/*.md`, { cwd: ROOT }))
    found.push(path.slice(folder.length + 1));
  return found.sort();
}
const chinesePages = await pagesOf('docs/zh');
const englishPages = (await pagesOf('docs')).filter((path) => !path.startsWith('zh/'));

const compare = (path: string, english: string, chinese: string) =>
  differences(path, blocksOf(`docs/${path}`, english), blocksOf(`docs/zh/${path}`, chinese));

test('every page exists in both languages', () => {
  assert.ok(englishPages.length > 20, `${englishPages.length} pages`);
  assert.deepEqual(chinesePages, englishPages);
});

describe('the Chinese page', () => {
  for (const path of englishPages.filter((one) => chinesePages.includes(one))) {
    const [english, chinese] = [read(`docs/${path}`), read(`docs/zh/${path}`)];

    test(`${path} has the headings, examples, tables, links and numbers of the English one`, () => {
      assert.deepEqual(compare(path, english, chinese), []);
    });

    test(`${path} and the English one link to each other`, () => {
      const [up, down] = [
        posix.relative(dirname(`zh/${path}`), path),
        posix.relative(dirname(path), `zh/${path}`),
      ];
      assert.equal(chinese.split('\n')[2], `[English](${up})`);
      assert.equal(english.split('\n')[2], `[中文](${down})`);
    });

    test(`${path} links to Chinese pages and to headings that exist`, () => {
      for (const [, target] of chinese.replaceAll(/^```.*?^```$/gms, '').matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target!)) continue;
        const [file = '', anchor] = target!.split('#');
        const full = file === '' ? `docs/zh/${path}` : posix.join('docs/zh', dirname(path), file);
        assert.ok(existsSync(join(ROOT, full)), target);
        if (full !== `docs/${path}`)
          assert.doesNotMatch(full, /^(?:docs\/(?!zh(?:\/|$)|generate)|README\.md)/, target);
        if (anchor !== undefined) assert.ok(anchorsOf(read(full)).includes(anchor), target);
      }
    });
  }
});

test('README.zh-CN.md has the headings, examples and tables of README.md, and links to Chinese pages', () => {
  const [english, chinese] = ['README.md', 'README.zh-CN.md'].map((path) =>
    blocksOf(path, read(path)).filter(({ kind }) => /^(?:heading|example|row|rule)/.test(kind)),
  );
  assert.ok(english!.length > 30, `${english!.length} blocks`);
  assert.deepEqual(differences('README.md', english!, chinese!), []);
  const links = [...read('README.zh-CN.md').matchAll(/\]\((docs\/[^)\s]+\.md)\)/g)].map(([, link]) => link!);
  assert.ok(links.length > 10, `${links.length} links`);
  for (const link of links) assert.match(link, /^docs\/zh\//);
});

describe('a Chinese page that was not changed with the English one is found', () => {
  const path = 'verification.md';
  const [english, chinese] = [read(`docs/${path}`), read(`docs/zh/${path}`)];
  const firstLine = (pattern: RegExp) => {
    const found = pattern.exec(english)?.[0];
    assert.ok(found, `${pattern}`);
    return found;
  };
  for (const [what, change] of [
    ['a heading', (page: string) => `${page}\n## Another heading\n`],
    ['a heading of another level', (page: string) => page.replace(/^## (?=Over HTTP)/m, '### ')],
    ['a paragraph', (page: string) => `${page}\nAnother sentence.\n`],
    [
      'a list item',
      (page: string) => page.replace(firstLine(/^- .*$/m), (item) => `- Another item.\n${item}`),
    ],
    ['an example', (page: string) => `${page}\n\`\`\`sh\nnpx wma verify\n\`\`\`\n`],
    [
      'a line of an example',
      (page: string) => page.replace(/^npx wma verify --all .*$/m, '$&\nnpx wma doctor'),
    ],
    ['an option in an example', (page: string) => page.replace('--adopt --dry-run', '--adopt')],
    [
      'a row of a table',
      (page: string) => page.replace(firstLine(/^\| `ok`.*$/m), (row) => `${row}\n| \`new\` | … | |`),
    ],
    ['the code in a row', (page: string) => page.replace('| `known` |', '| `seen` |')],
    ['code in a sentence', (page: string) => page.replace('`s3:ListBucket` gets', '`s3:GetObject` gets')],
    ['a number', (page: string) => page.replace('15 seconds', '20 seconds')],
    [
      'a link',
      (page: string) => page.replace('with the length and sha256', 'with the [length](states.md) and sha256'),
    ],
  ] as const) {
    test(`${what} was added or changed`, () => {
      const changed = change(english);
      assert.notEqual(changed, english, 'the change was made');
      assert.notDeepEqual(compare(path, changed, chinese), []);
    });
  }

  test('a comment in an example may differ', () => {
    const changed = english.replace('# 1,000 objects, evenly spread', '# a sample');
    assert.notEqual(changed, english);
    assert.deepEqual(compare(path, changed, chinese), []);
  });
});

describe('a generated page', () => {
  for (const [path, page] of Object.entries(PAGES)) {
    test(`${path} is current`, () => {
      assert.ok(read(path) === page(), `${path}: run \`node bin/run.js docs/generate/main.ts\``);
    });
  }
  for (const [path, parts] of Object.entries(PARTS)) {
    test(`${path} has current parts`, () => {
      assert.ok(
        withParts(read(path), parts) === read(path),
        `${path}: run \`node bin/run.js docs/generate/main.ts\``,
      );
    });
  }

  test('is refused with the text that has no translation, and with one that is not used', () => {
    const { translate, finish } = createTranslator('cli', {
      'a text': '一段文字',
      'an old text': '旧的文字',
    });
    assert.deepEqual(['a\n  text', 'another text', '`code`', '15 min'].map(translate), [
      '一段文字',
      'another text',
      '`code`',
      '15 min',
    ]);
    assert.throws(finish, {
      message: [
        'docs/generate/zh/cli.json has no Chinese text for "another text"',
        'docs/generate/zh/cli.json translates a text that is not used: "an old text"',
      ].join('\n'),
    });
  });
});

test('numbers are compared by their value', () => {
  assert.deepEqual(numbersOf('10 million, 1,000 and 2.5 s'), [2.5, 1_000, 10_000_000]);
  assert.deepEqual(numbersOf('1000 万、1,000 和 2.5 s'), [2.5, 1_000, 10_000_000]);
});
