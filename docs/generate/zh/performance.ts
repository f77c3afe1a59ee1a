/** Writes the measured tables of docs/zh/performance.md from those of docs/performance.md. */
import { readFileSync } from 'node:fs';
import { createTranslator, type Translator, translateMarkdown } from './translate.ts';

const PART = /<!-- (\S+): written by bench\/performance-page\.ts -->\n(.*?)<!-- \/\1 -->/gs;
/** The plan of a query is what Postgres calls its parts. */
const PLAN = /^(?:Seq|Index|Bitmap) /;
const SEPARATORS: Readonly<Record<string, string>> = { ': ': '：', ', ': '，', '; ': '；' };

/** Translates a title or a cell as a whole, or piece by piece: `picture 100 KB: files/s over the naive way`. */
function translateMeasured(text: string, { has, translate }: Translator): string {
  const [, mark = '', inner = text.trim()] = /^(\*+)(.*)\1$/s.exec(text.trim()) ?? [];
  if (PLAN.test(inner)) return inner;
  if (has(inner)) return mark + translate(inner) + mark;
  const pieces = inner.split(/(: |, |; )/).map((piece) => SEPARATORS[piece] ?? translate(piece));
  return mark + pieces.join('') + mark;
}

/** Returns each measured part by its name. */
export function measuredParts(): Readonly<Record<string, () => string>> {
  const page = readFileSync(new URL('../../performance.md', import.meta.url), 'utf8');
  const translateAll = () => {
    const translator = createTranslator('performance');
    const parts = [...page.matchAll(PART)].map(([, name, english]): [string, string] => [
      name!,
      translateMarkdown(english!.trimEnd(), (text) => translateMeasured(text, translator)),
    ]);
    translator.finish();
    return Object.fromEntries(parts);
  };
  const names = [...page.matchAll(PART)].map(([, name]) => name!);
  return Object.fromEntries(names.map((name) => [name, () => translateAll()[name]!]));
}
