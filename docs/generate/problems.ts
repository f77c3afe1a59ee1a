/** Generates docs/problems.md from the problems of the program, in both languages. */
import { readFileSync } from 'node:fs';
import { type Language, PROBLEMS_PATH } from '../../src/server/problem.ts';
import { MEANINGS } from '../../src/server/problem-meanings.ts';
import { PROBLEMS, type ProblemCode } from '../../src/server/problem-table.ts';
import { OPENAPI_PATH } from './openapi.ts';

const WORDS = {
  en: {
    title: 'Problems',
    counterpart: '[中文](zh/problems.md)',
    introduction: `Generated from the table that the program uses, by \`node bin/run.js docs/generate/main.ts\`. An error response is
\`application/problem+json\` (RFC 9457). Its \`code\` is a stable name, \`status\` is that of the response, \`advice\` says what to
do in the language of \`Accept-Language\`, and \`errors\` names each field that is not valid. \`type\` is the address of its entry
on a page of the same server, \`${PROBLEMS_PATH}\`, which needs no key and has the same texts as this page.`,
    todo: 'What to do:',
    sentBy: 'Sent by',
    byMost: 'Sent by most routes.',
    byPages: 'Sent to requests that belong to no operation of the API.',
    end: '.',
    comma: ', ',
  },
  zh: {
    title: '错误响应',
    counterpart: '[English](../problems.md)',
    introduction: `本页由 \`node bin/run.js docs/generate/main.ts\` 根据程序使用的表生成。错误响应的格式为 \`application/problem+json\`（RFC 9457）。
\`code\` 是稳定的名称，\`status\` 与响应的状态码相同，\`advice\` 按 \`Accept-Language\` 的语言说明如何处理，\`errors\` 列出每个无效的字段。
\`type\` 是该错误在同一台服务器的 \`${PROBLEMS_PATH}\` 页面上的地址，该页面无需密钥，文字与本页相同。`,
    todo: '处理方法：',
    sentBy: '返回此错误的接口：',
    byMost: '大多数接口都可能返回此错误。',
    byPages: '不属于任何 API 接口的请求会得到此错误。',
    end: '。',
    comma: '、',
  },
} as const;

/** With more operations the list says nothing. */
const LISTED_OPERATIONS = 12;

interface Document {
  readonly paths: Record<string, Record<string, { responses: Record<string, ResponsePart> }>>;
  readonly components: { readonly responses: Record<string, ResponsePart> };
}
interface ResponsePart {
  readonly $ref?: string;
  readonly content?: Record<string, { examples?: Record<string, unknown> }>;
}

/** Returns the operations that send each problem, from the OpenAPI document. */
function operationsByCode(): ReadonlyMap<string, readonly string[]> {
  const file = new URL(`../../${OPENAPI_PATH}`, import.meta.url);
  const { paths, components } = JSON.parse(readFileSync(file, 'utf8')) as Document;
  const found = new Map<string, string[]>();
  for (const [path, methods] of Object.entries(paths))
    for (const [method, { responses }] of Object.entries(methods))
      for (const part of Object.values(responses)) {
        const name = part.$ref?.split('/').at(-1);
        const { content } = name === undefined ? part : (components.responses[name] as ResponsePart);
        for (const code of Object.keys(content?.['application/problem+json']?.examples ?? {}))
          found.set(code, [...(found.get(code) ?? []), `\`${method.toUpperCase()} ${path}\``]);
      }
  return found;
}

export function problemsPage(language: Language): string {
  const words = WORDS[language];
  const operations = operationsByCode();
  const codes = (Object.keys(PROBLEMS) as ProblemCode[]).sort();
  const entries = codes.map((code) => {
    const { status, title, advice } = PROBLEMS[code];
    const meaning = MEANINGS[code];
    const senders = operations.get(code) ?? [];
    const sentence =
      senders.length === 0
        ? words.byPages
        : senders.length > LISTED_OPERATIONS
          ? words.byMost
          : `${words.sentBy}${language === 'en' ? ' ' : ''}${senders.join(words.comma)}${words.end}`;
    return [
      `## \`${code}\``,
      `**${status}** ${language === 'zh' ? meaning.titleZh : title}${words.end}`,
      meaning[language],
      `${words.todo}${language === 'en' ? ' ' : ''}${advice[language].replaceAll('<', '\\<')}`,
      sentence,
    ].join('\n\n');
  });
  return `${[`# ${words.title}`, words.counterpart, words.introduction, ...entries].join('\n\n')}\n`;
}
