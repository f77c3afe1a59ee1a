/** Chinese texts have Chinese punctuation, and both languages have the same texts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAILURES } from '../../../../src/failures.ts';
import { signInPage } from '../../../../src/server/auth/sign-in-page.ts';
import { PROBLEMS } from '../../../../src/server/problem.ts';

const { createLocale } = await import(
  new URL('../../../../src/server/dashboard/texts.js', import.meta.url).href
);
type Texts = Record<string, string | ((value: unknown) => string)>;
const textsOf = (language: string): Texts => createLocale(language).texts;

const CJK = '[\\u3400-\\u9fff\\u3000-\\u303f\\uff00-\\uffef]';
/** An ASCII punctuation mark next to a Chinese character. */
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
    Object.entries(textsOf('zh')).map(([name, word]) => [
      `page ${name}`,
      typeof word === 'function' ? word(3) : word,
    ]),
  ),
  'sign-in page': signInPage('zh').replaceAll(/<[^>]*>/g, '\n'),
};

describe('the Chinese texts', () => {
  it('have Chinese punctuation between Chinese characters', () => {
    const wrong = Object.entries(chinese).filter(([, text]) => ASCII_MARK.test(text));
    assert.ok(Object.keys(chinese).length > 100);
    assert.deepEqual(wrong, []);
    assert.match('请按列出的字段修改;说明见 /docs', ASCII_MARK, 'the pattern finds one');
  });

  it('of the dashboard are the same as the English ones', () => {
    const shape = (texts: Texts) =>
      Object.entries(texts)
        .map(([name, word]) => `${name} ${typeof word}`)
        .sort();
    assert.deepEqual(shape(textsOf('zh')), shape(textsOf('en')));
  });
});
