/**
 * Translates a generated page into Chinese. The page is taken apart into headings, paragraphs, list items, cells of tables and
 * comments in shell examples. Each has its Chinese text in a table beside this file, `{ "English": "中文" }`. So a text that
 * is new or that changed has no translation, and generating the page fails and names it. `#` in a key and its translation stands for a
 * number, in the same order.
 */
import { readFileSync } from 'node:fs';

export type Dictionary = Readonly<Record<string, string>>;

export const readDictionary = (name: string): Dictionary =>
  JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8')) as Dictionary;

const HAN = /\p{Script=Han}/u;
/** What is written in the same way in both languages: code, units, variables, commands, names of products. */
const NEUTRAL = [
  /`[^`]*`/g,
  /\b(?:ms|s|min|h|KiB|MiB|GiB)\b/g,
  /\b[A-Z][A-Z0-9_]+\b/g,
  /^wma [a-z-]+$/g,
  // Names of folders in their order.
  /^[a-z0-9-]+(?: < [a-z0-9-]+)+$/g,
  /\b(?:Redis|Postgres|Kubernetes|errcode)\b/g,
];

/** Whether a text is the same in both languages: it is Chinese already, or has no words outside of code. */
export const isLanguageNeutral = (text: string): boolean =>
  HAN.test(text) || !/[A-Za-z]/.test(NEUTRAL.reduce((rest, pattern) => rest.replaceAll(pattern, ''), text));

export interface Translator {
  /** Returns the Chinese text; the English one if there is none, which `finish` reports. */
  readonly translate: (english: string) => string;
  /** Whether a text has a translation or needs none. */
  readonly has: (english: string) => boolean;
  /** Throws an error that lists the texts without a translation, and the translations without a text. */
  readonly finish: () => void;
}

const NUMBER = /\d+(?:,\d{3})*(?:\.\d+)?/g;

export function createTranslator(name: string, dictionary: Dictionary = readDictionary(name)): Translator {
  const missing = new Set<string>();
  const unused = new Set(Object.keys(dictionary));
  const keyOf = (text: string) => {
    const pattern = text.replaceAll(NUMBER, '#');
    return text in dictionary ? text : pattern in dictionary ? pattern : undefined;
  };
  const normal = (english: string) => english.replaceAll(/\s+/g, ' ').trim();
  return {
    has: (english) => isLanguageNeutral(normal(english)) || keyOf(normal(english)) !== undefined,
    translate: (english) => {
      const text = normal(english);
      if (isLanguageNeutral(text)) return text;
      const key = keyOf(text);
      if (key === undefined) {
        missing.add(text);
        return text;
      }
      unused.delete(key);
      if (key === text) return dictionary[key]!;
      const numbers = text.match(NUMBER) ?? [];
      return dictionary[key]!.replaceAll('#', () => numbers.shift() ?? '#');
    },
    finish: () => {
      const file = `docs/generate/zh/${name}.json`;
      const problems = [
        ...[...missing].map((text) => `${file} has no Chinese text for ${JSON.stringify(text)}`),
        ...[...unused].map((text) => `${file} translates a text that is not used: ${JSON.stringify(text)}`),
      ];
      if (problems.length > 0) throw new Error(problems.join('\n'));
    },
  };
}

const LINK_TO_CHINESE = /^\[中文\]\(zh\/([\w-]+\.md)\)$/;

/** Returns the Chinese form of a page or of a part of one. */
export function translateMarkdown(english: string, translate: Translator['translate']): string {
  const output: string[] = [];
  let paragraph: string[] = [];
  let fence = '';
  const flush = () => {
    if (paragraph.length === 0) return;
    const [, bullet = '', text = ''] = /^(- |\d+\. )?(.*)$/s.exec(paragraph.join(' ')) ?? [];
    output.push(bullet + translate(text));
    paragraph = [];
  };
  for (const line of english.split('\n')) {
    if (fence !== '' || line.startsWith('```')) {
      flush();
      if (line.startsWith('```')) fence = fence === '' ? line : '';
      output.push(fence === '```sh' ? translateComment(line, translate) : line);
      continue;
    }
    const isOwnBlock = /^(?:#|\||<!--|$)/.test(line) || LINK_TO_CHINESE.test(line);
    if (isOwnBlock || /^(?:- |\d+\. )/.test(line)) flush();
    if (isOwnBlock) output.push(translateLine(line, translate));
    else paragraph.push(line.trim());
  }
  flush();
  return output.join('\n');
}

function translateLine(line: string, translate: Translator['translate']): string {
  const counterpart = LINK_TO_CHINESE.exec(line);
  if (counterpart) return `[English](../${counterpart[1]})`;
  const heading = /^(#+ )(.*)$/.exec(line);
  if (heading) return heading[1] + translate(heading[2]!);
  if (!line.startsWith('|') || /^[|:\- ]+$/.test(line)) return line;
  const cells = line.slice(1, -1).split(/(?<!\\)\|/);
  return `|${cells.map((cell) => (cell.trim() === '' ? cell : ` ${translate(cell)} `)).join('|')}|`;
}

function translateComment(line: string, translate: Translator['translate']): string {
  const [, code, comment] = /^(.*?(?:^| )# )(.*)$/.exec(line) ?? [];
  return code === undefined ? line : code + translate(comment!);
}

/** Returns the Chinese form of a generated page or table, whose texts are in `docs/generate/zh/{name}.json`. */
export function inChinese(name: string, english: string): string {
  const { translate, finish } = createTranslator(name);
  const chinese = translateMarkdown(english, translate);
  finish();
  return chinese;
}
