/** /docs/problems: an entry for each problem, to which the `type` of an error response leads. It needs no key. */
import { type Language, languageOf, PROBLEMS_PATH } from '../../problem.ts';
import { MEANINGS } from '../../problem-meanings.ts';
import { PROBLEMS, type ProblemCode } from '../../problem-table.ts';
import type { App } from '../../route-deps.ts';

const WORDS = {
  en: {
    lang: 'en',
    title: 'Problems',
    lead: 'What each error response means, and what to do.',
    todo: 'What to do:',
  },
  zh: { lang: 'zh-CN', title: '错误响应', lead: '每种错误响应的含义与处理方法。', todo: '处理方法：' },
} as const;

/** Texts of the program contain code: between backticks, and in angle brackets. */
const markup = (text: string): string =>
  text
    .replaceAll(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>');

function entry(code: ProblemCode, language: Language): string {
  const { status, title, advice } = PROBLEMS[code];
  const meaning = MEANINGS[code];
  return `<section id="${code}">
<h2><code>${code}</code></h2>
<p><strong>${status} ${markup(language === 'zh' ? meaning.titleZh : title)}</strong></p>
<p>${markup(meaning[language])}</p>
<p>${WORDS[language].todo} ${markup(advice[language])}</p>
</section>`;
}

function problemsPage(language: Language): string {
  const { lang, title, lead } = WORDS[language];
  const codes = (Object.keys(PROBLEMS) as ProblemCode[]).sort();
  return `<!doctype html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · wechat-media-archiver</title>
<link rel="icon" href="/login/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/login/base.css">
<link rel="stylesheet" href="/login/reading.css">
</head>
<body>
<main class="reading">
<h1>${title}</h1>
<p>${lead}</p>
${codes.map((code) => entry(code, language)).join('\n')}
</main>
</body>
</html>
`;
}

export function problemRoutes() {
  return async (app: App): Promise<void> => {
    app.get(PROBLEMS_PATH, { config: { scope: 'open' }, schema: { hide: true } }, async (request, reply) =>
      reply
        .header('vary', 'Accept-Language')
        .type('text/html; charset=utf-8')
        .send(problemsPage(languageOf(request))),
    );
  };
}
