/**
 * Takes a Markdown page apart, so that a page can be compared with its translation. What must agree is everything that is not
 * prose: the order of headings, paragraphs, list items, tables and examples, the code in them, links, and numbers.
 */
import { posix } from 'node:path';

/** One heading, paragraph, list item, row of a table, example or comment. */
export interface Block {
  readonly kind: string;
  readonly line: number;
  /** What must be the same in both languages. */
  readonly code: readonly string[];
  /** Targets of links, as paths from the root of the repository; a link inside docs names the English page. */
  readonly links: readonly string[];
  readonly numbers: readonly number[];
}

const HAN = /\p{Script=Han}/u;
/** Comments and texts of an example may be translated: what follows a comment sign, and labels of a diagram. */
const COMMENTS: Readonly<Record<string, RegExp>> = {
  sh: /(?:^|\s+)# .*$/,
  python: /(?:^|\s+)# .*$/,
  sql: /\s*-- .*$/,
  js: /\s*\/\/ .*$/,
  php: /\s*\/\/ .*$/,
  mermaid: /: .*$/,
};

/** Returns the code of an example without its comments. Of `text`, the help of a command, only the terms are code. */
export function exampleCode(language: string, lines: readonly string[]): readonly string[] {
  if (language === 'text') return lines.flatMap((line) => line.match(/--[a-z][a-z-]*|<[a-z]\w*>/g) ?? []);
  const comment = COMMENTS[language];
  return lines.map((line) => (comment ? line.replace(comment, '') : line).trimEnd());
}

const UNITS: Readonly<Record<string, number>> = { thousand: 1e3, million: 1e6, 万: 1e4, 亿: 1e8 };

const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
];
/** `November 2026` has two numbers, because `2026 年 11 月` has. */
const MONTH_OF_A_YEAR = new RegExp(`\\b(${MONTHS.join('|')})(?= \\d{4})`, 'g');

/** Returns the numbers of a text in ascending order: `10 million`, `10,000,000` and `1000 万` are one number. */
export function numbersOf(text: string): number[] {
  const plain = text.replaceAll(MONTH_OF_A_YEAR, (month) => `${MONTHS.indexOf(month) + 1}`);
  const found = plain.matchAll(/(\d[\d,]*(?:\.\d+)?)(?:[ {2}]?(million|thousand|万|亿))?/g);
  return [...found]
    .map(([, digits, unit]) => Number(digits!.replaceAll(',', '')) * (unit ? UNITS[unit]! : 1))
    .sort((a, b) => a - b);
}

/** Returns the target of a link in the page at `path`, in its English form. */
export function linkTarget(path: string, target: string): string {
  if (/^[a-z]+:/.test(target)) return target;
  const [file = '', anchor] = target.split('#');
  const full = file === '' ? path : posix.join(posix.dirname(path), file);
  const english = full.replace(/^docs\/zh(?=\/|$)/, 'docs').replace(/^README\.zh-CN\.md$/, 'README.md');
  return anchor === undefined ? english : `${english}#`;
}

function blockOf(kind: string, line: number, path: string, text: string): Block {
  const code = [...text.matchAll(/`([^`]+)`/g)]
    .map(([, inner]) => inner!)
    .filter((inner) => !HAN.test(inner));
  const prose = text.replaceAll(/`[^`]*`/g, ' ');
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => linkTarget(path, target!));
  const words = prose.replaceAll(/\]\([^)]*\)/g, ']').replaceAll(/[A-Za-z_][\w.]*\d[\w.]*/g, ' ');
  return { kind, line, code: code.sort(), links: links.sort(), numbers: numbersOf(words) };
}

/** Returns the blocks of a page. The link to its other language is left out. */
export function blocksOf(path: string, page: string): Block[] {
  const blocks: Block[] = [];
  let open: { kind: string; line: number; text: string[] } | undefined;
  let fence: { language: string; line: number; lines: string[]; indent: string } | undefined;
  const flush = () => {
    if (open) blocks.push(blockOf(open.kind, open.line, path, open.text.join(' ')));
    open = undefined;
  };
  page.split('\n').forEach((line, index) => {
    const fenced = /^(\s*)```(\w*)$/.exec(line);
    if (fence) {
      if (fenced) {
        const code = exampleCode(fence.language, fence.lines);
        blocks.push({ kind: `example ${fence.language}`, line: fence.line, code, links: [], numbers: [] });
        fence = undefined;
      } else fence.lines.push(line);
      return;
    }
    const [, marks, bullet] = /^(?:(#+) |\s*(- |\d+\. ))?/.exec(line) ?? [];
    const isRow = /^\s*\|/.test(line);
    const isOwn = fenced || line.trim() === '' || isRow || marks || line.startsWith('<!--');
    if (isOwn || bullet) flush();
    if (fenced) fence = { language: fenced[2]!, line: index + 1, lines: [], indent: fenced[1]! };
    else if (line.trim() === '' || /^\[(?:中文|English)\]\(/.test(line)) return;
    else if (isRow) blocks.push(rowOf(index + 1, path, line));
    else if (marks) blocks.push(blockOf(`heading ${marks.length}`, index + 1, path, line));
    else if (line.startsWith('<!--'))
      blocks.push({ ...blockOf('comment', index + 1, path, ''), code: partName(line) });
    else if (open) open.text.push(line.trim());
    else open = { kind: bullet ? 'list item' : 'paragraph', line: index + 1, text: [line.trim()] };
  });
  flush();
  return blocks;
}

/** `<!-- checks: written by … -->` → checks. */
const partName = (line: string): string[] => [/<!-- (\/?[\w -]+?)(?::| -->)/.exec(line)?.[1] ?? line];

/** A row of a table: all code in order counts, because the first column usually is code. */
function rowOf(line: number, path: string, text: string): Block {
  const cells = text
    .trim()
    .slice(1, -1)
    .split(/(?<!\\)\|/);
  const isRule = /^[|:\- ]+$/.test(text.trim());
  return blockOf(isRule ? 'rule of a table' : 'row', line, path, isRule ? '' : cells.join(' ¦ '));
}

const show = ({ kind, line }: Block) => `${kind} in line ${line}`;
const same = (a: readonly unknown[], b: readonly unknown[]) => JSON.stringify(a) === JSON.stringify(b);

/** Returns a sentence for each place in which a translation does not follow its page; after a missing block only the first. */
export function differences(path: string, english: readonly Block[], chinese: readonly Block[]): string[] {
  const found: string[] = [];
  for (let index = 0; index < Math.max(english.length, chinese.length); index++) {
    const [ours, theirs] = [english[index], chinese[index]];
    if (!ours) return [...found, `${path}: ${show(theirs!)} of the Chinese page has no English counterpart`];
    if (!theirs) return [...found, `${path}: ${show(ours)} is not translated`];
    if (ours.kind !== theirs.kind)
      return [...found, `${path}: ${show(ours)} is ${show(theirs)} of the Chinese page`];
    for (const part of ['code', 'links', 'numbers'] as const) {
      if (same(ours[part], theirs[part])) continue;
      const [only, also] = [without(ours[part], theirs[part]), without(theirs[part], ours[part])];
      found.push(
        `${path}: ${show(ours)} has other ${part} than line ${theirs.line} of the Chinese page: ` +
          `${JSON.stringify(only)} is missing, ${JSON.stringify(also)} was added`,
      );
    }
  }
  return found;
}

function without(all: readonly unknown[], others: readonly unknown[]): unknown[] {
  const rest = [...others];
  return all.filter((one) => {
    const at = rest.indexOf(one);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

/** Returns the anchors of a page, as GitHub makes them of its headings. */
export function anchorsOf(page: string): string[] {
  const text = page.replaceAll(/^```.*?^```$/gms, '');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );
}
