/** What is said in Chinese is written as Chinese is, and both languages say the same things. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAILURES } from '../../../../src/failures.ts';
import { signInPage } from '../../../../src/server/auth/sign-in-page.ts';
import { PROBLEMS } from '../../../../src/server/problem.ts';

const { createLocale } = await import(
  new URL('../../../../src/server/dashboard/texts.js', import.meta.url).href
);
type Words = Record<string, string | ((value: unknown) => string)>;
const wordsOf = (language: string): Words => createLocale(language).texts;

const CJK = '[\\u3400-\\u9fff\\u3000-\\u303f\\uff00-\\uffef]';
/** An ASCII mark after a Chinese character, or before one. */
const ASCII_MARK = new RegExp(`${CJK} ?[,:;!?()]|[,:;!?()] ?${CJK}`);

const chinese: Record<string, string> = {
  ...Object.fromEntries(Object.entries(PROBLEMS).map(([code, { advice }]) => [code, advice.zh])),
  ...Object.fromEntries(
    Object.entries(FAILURES).flatMap(([code, { message, advice }]) => [
      [`${code} message`, message.zh],
      [`${code} advice`, advice.zh],
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(wordsOf('zh')).map(([name, word]) => [
      `page ${name}`,
      typeof word === 'function' ? word(3) : word,
    ]),
  ),
  'sign-in page': signInPage('zh').replaceAll(/<[^>]*>/g, '\n'),
};

describe('Chinese', () => {
  it('has Chinese punctuation between Chinese characters', () => {
    const wrong = Object.entries(chinese).filter(([, text]) => ASCII_MARK.test(text));
    assert.ok(Object.keys(chinese).length > 100);
    assert.deepEqual(wrong, []);
    assert.match('请按列出的字段修改;说明见 /docs', ASCII_MARK, 'the test can see one');
  });

  it('and English know the same words on the page', () => {
    const shape = (words: Words) =>
      Object.entries(words)
        .map(([name, word]) => `${name} ${typeof word}`)
        .sort();
    assert.deepEqual(shape(wordsOf('zh')), shape(wordsOf('en')));
  });
});
