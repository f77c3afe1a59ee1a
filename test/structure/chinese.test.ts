/** Chinese texts use the words of docs/zh/glossary.md, Chinese punctuation, and spaces beside Latin words. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chineseTexts, mistakesIn, OLD_CHINESE_WORDS, textsOfDocument, textsOfSource } from './chinese.ts';
import { ROOT } from './sources.ts';

test('no Chinese text breaks a rule', async () => {
  const texts = await chineseTexts();
  for (const folder of ['src/', 'docs/zh/', 'docs/generate/zh/', 'README.zh-CN.md'])
    assert.ok(texts.filter(({ place }) => place.startsWith(folder)).length > 50, folder);
  assert.deepEqual(texts.flatMap(mistakesIn), []);
});

for (const [text, count] of [
  ['请按列出的字段修改；说明见 /docs。', 0],
  ['请按列出的字段修改;说明见 /docs。', 1],
  ['原因见 failure;dead 状态可重新归档。', 1],
  ['密钥(AppSecret)错误。', 1],
  ['密钥（AppSecret）错误。', 0],
  ['可写,可读.', 1],
  ['共 1,000 个，约 2.5 s。', 0],
  ['见GET /v1/media', 1],
  ['目录数据库不可用。', 1],
  ['请清空该目录。', 0],
  ['死信可以重新投递。', 1],
  ['webhook 的事件可以重新投递。', 0],
] as const) {
  test(`mistakes in "${text}": ${count}`, () => {
    assert.equal(mistakesIn({ place: 'a.ts:1', text }).length, count);
  });
}

test('texts are found in sources and documents, and code is left out', () => {
  const source = 'const a = { zh: `第 $' + '{n} 个` }; // 注释\nconst b = "English", c = "中文";';
  assert.deepEqual(textsOfSource('a.ts', source), [
    { place: 'a.ts:1', text: '第 … 个' },
    { place: 'a.ts:2', text: '中文' },
  ]);
  const page = '见 `a,b` 和[状态](states.md)。\n```sh\n# 注释,\n```\nEnglish.';
  assert.deepEqual(textsOfDocument('a.md', page), [{ place: 'a.md:1', text: '见 … 和[状态]。' }]);
});

test('the glossary lists the words that are not used, and each of its terms in no other line', () => {
  const page = readFileSync(join(ROOT, 'docs/zh/glossary.md'), 'utf8');
  const rows = [...page.matchAll(/^\| ([^|]+) \| ([^|]+) \| [^|]+ \| ([^|]*?) ?\|$/gm)].slice(1);
  const listed = rows.flatMap(([, , , words]) => words!.split('、')).filter((one) => one.trim() !== '');
  assert.ok(rows.length > 25 && listed.length > 15, `${rows.length} rows, ${listed.length} words`);
  for (const one of listed) {
    const found = mistakesIn({ place: 'a.md:1', text: `这是${one}。` });
    assert.equal(found.length, 1, `${one} is refused`);
  }
  const refused = OLD_CHINESE_WORDS.slice(0, -4).flatMap(({ pattern }) => pattern.source.split('|'));
  assert.deepEqual(
    refused.filter((one) => !listed.includes(one)),
    [],
    'the glossary lists each refused word',
  );
  const terms = rows.flatMap(([, names]) => names!.replace(/（.*?）/, '').split('、'));
  assert.deepEqual(
    terms.filter((term, index) => terms.indexOf(term) !== index),
    [],
    'one meaning for each term',
  );
});
