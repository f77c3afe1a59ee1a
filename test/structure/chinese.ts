/** The Chinese texts of the repository, and the rules for them: words, punctuation, and spaces beside Latin words. */
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './sources.ts';
import type { OldWord } from './words.ts';

/** A sentence or a line of a document, without code. */
export interface ChineseText {
  /** `src/failures.ts:12` */
  readonly place: string;
  readonly text: string;
}

const HAN = /\p{Script=Han}/u;

/** Messages and file names of simulated users are samples, with any punctuation that users write. */
const SAMPLES = 'src/simulator/';
/** Pages that have to name the words that are not used. */
const EXEMPT = new Set(['docs/zh/glossary.md']);

/** Stands for a value in a text, and for code: it is no Chinese character and no Latin letter. */
const VALUE = '\u2026';

/** Returns the string literals of a source file that contain Chinese characters. */
export function textsOfSource(path: string, source: string): ChineseText[] {
  if (!HAN.test(source)) return [];
  const tree = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const found: ChineseText[] = [];
  const add = (node: ts.Node, text: string) => {
    const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (HAN.test(text)) found.push({ place: `${path}:${line}`, text });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) add(node, node.text);
    if (ts.isTemplateExpression(node))
      add(node, node.head.text + node.templateSpans.map(({ literal }) => VALUE + literal.text).join(''));
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Returns the lines of a document that contain Chinese characters, without examples, code and targets of links. */
export function textsOfDocument(path: string, page: string): ChineseText[] {
  let inExample = false;
  return page.split('\n').flatMap((line, index) => {
    const isFence = /^\s*```/.test(line);
    if (isFence) inExample = !inExample;
    if (isFence || inExample || !HAN.test(line)) return [];
    const text = line.replaceAll(/`[^`]*`/g, VALUE).replaceAll(/\]\([^)\s]*\)/g, ']');
    return [{ place: `${path}:${index + 1}`, text }];
  });
}

export async function chineseTexts(): Promise<ChineseText[]> {
  const texts: ChineseText[] = [];
  for await (const path of glob('{src,workers,bin}/**/*.{ts,js}', { cwd: ROOT }))
    if (!path.startsWith(SAMPLES))
      texts.push(...textsOfSource(path, await readFile(join(ROOT, path), 'utf8')));
  for await (const path of glob('docs/generate/zh/*.json', { cwd: ROOT })) {
    const chinese = Object.values(
      JSON.parse(await readFile(join(ROOT, path), 'utf8')) as Record<string, string>,
    );
    texts.push(...chinese.flatMap((text) => textsOfDocument(path, text)));
  }
  const documents = ['README.zh-CN.md', 'docs/zh/**/*.md', 'src/**/*.html'];
  for await (const path of glob(documents, { cwd: ROOT }))
    if (!EXEMPT.has(path)) texts.push(...textsOfDocument(path, await readFile(join(ROOT, path), 'utf8')));
  return texts;
}

const word = (pattern: string, instead: string, except?: RegExp): OldWord => ({
  pattern: new RegExp(pattern, 'g'),
  instead,
  ...(except ? { except } : {}),
});

/** Words that are not used. The column 不用 of docs/zh/glossary.md has those of the terms. */
export const OLD_CHINESE_WORDS: readonly OldWord[] = [
  word('媒体项|媒体条目|媒体文件', '素材'),
  word('生产者', '提交方'),
  word('目录数据库|目录库|编目', '元数据库'),
  word('世代|代际', '代次'),
  word('分派|调度', '派发'),
  word('挂起|搁置', '暂停', /一直挂起|挂起，除非|仍会挂起/g),
  word('检测|试探', '探测'),
  word('最后期限|已超时', '截止时间、已逾期'),
  word('重新投递|批量重试', '重新归档', /(?:webhook|事件).{0,12}重新投递/g),
  word('清除', '擦除', /队列被清除/g),
  word('比对|校对|对账', '核对'),
  word('认养|收养', '补录'),
  word('警报|报警|预警', '告警'),
  word('操作日志|操作记录', '审计日志'),
  word('内嵌|嵌入式', '内置'),
  word('标为已读|标为已阅', '确认'),
  // Spellings.
  word('帐号|帐户', '账号'),
  word('登陆', '登录'),
  word('其它', '其他'),
  word('仪表盘|管理页面', '控制台'),
];

/** ASCII punctuation beside a Chinese character, where the full-width form is right. */
const CJK = '[\\p{Script=Han}\\u3000-\\u303f\\uff00-\\uffef\\u201c\\u201d]';
const ASCII_MARK = new RegExp(
  `${CJK} ?[,:;!?()]|[,:;!?()] ?${CJK}|\\p{Script=Han}\\.(?:\\s|$)|\\p{Script=Han}"|"\\p{Script=Han}`,
  'u',
);
/** A semicolon or comma between words of a Chinese sentence, with Latin letters on both sides: `failure;dead`. */
const MARK_BETWEEN_WORDS = /[A-Za-z][;,][A-Za-z]/;
const NO_SPACE = /\p{Script=Han}[A-Za-z0-9]|[A-Za-z0-9%]\p{Script=Han}/u;

/** Returns a sentence for each place in which a text breaks a rule. */
export function mistakesIn({ place, text }: ChineseText): string[] {
  const mark = ASCII_MARK.exec(text) ?? MARK_BETWEEN_WORDS.exec(text);
  const space = NO_SPACE.exec(text);
  const words = OLD_CHINESE_WORDS.flatMap(({ pattern, instead, except }) =>
    [...(except ? text.replace(except, VALUE) : text).matchAll(pattern)].map(
      ([found]) => `${place}: "${found}"; write: ${instead}`,
    ),
  );
  return [
    ...(mark ? [`${place}: ASCII punctuation in "${around(text, mark)}"`] : []),
    ...(space ? [`${place}: no space in "${around(text, space)}"`] : []),
    ...words,
  ];
}

const around = (text: string, { index, 0: found }: RegExpExecArray) =>
  text.slice(Math.max(0, index - 8), index + found.length + 8);
