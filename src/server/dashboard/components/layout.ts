/** The document around every page: header with search and navigation, state line, notice, footer. */
import { queryOf } from '../core/address.ts';
import { attributes, type Child, type Html, html, outside } from '../core/html.ts';
import type { Locale } from '../core/locale.ts';
import type { ErrorContent, PageContent, PageContext } from '../core/page.ts';
import { SHELL, type ShellTexts } from '../texts/shell.ts';
import { problemBox } from './elements.ts';

const STYLES = [
  'layout',
  'elements',
  'forms',
  'tables',
  'media',
  'overview',
  'operations',
  'small-screens',
] as const;

const SECTIONS: readonly (readonly [address: string, text: keyof ShellTexts])[] = [
  ['/', 'overview'],
  ['/media', 'media'],
  ['/dead-letters', 'deadLetters'],
  ['/accounts', 'accounts'],
  ['/alerts', 'alerts'],
  ['/webhooks', 'webhooks'],
  ['/audit-log', 'auditLog'],
  ['/settings', 'settings'],
];

interface Shell {
  readonly locale: Locale;
  readonly address: string;
  readonly may: PageContext['may'];
  readonly principal?: PageContext['principal'];
  readonly state: Html;
  readonly notice: string | undefined;
}

function navigation({ locale, may, principal }: Shell, section: string | undefined): Child {
  const t = locale.of(SHELL);
  if (!principal) return undefined;
  const maySeeQueue = may('admin') && principal.accounts === undefined;
  return html`<nav class="sections" aria-label="${t.navigation}"><ul>${SECTIONS.map(
    ([address, text]) =>
      html`<li><a href="${address}"${attributes({ 'aria-current': section === address && 'page' })}>${t[text] as string}</a></li>`,
  )}<li><a href="/docs">${t.docs}</a></li>${maySeeQueue && html`<li><a href="/queues">${t.queue}</a></li>`}</ul></nav>`;
}

function header(shell: Shell, query: string): Html {
  const { locale, principal, address } = shell;
  const t = locale.of(SHELL);
  return html`<header class="top">
<a class="brand" href="/"><img src="/login/icon.svg" alt="" width="28" height="28"><span>wechat-media-archiver</span></a>
${
  principal &&
  html`<form class="search" role="search" action="/media" method="get">
<label class="visually-hidden" for="q">${t.search}</label>
<input id="q" name="q" type="search" value="${query}" placeholder="${t.searchHint}" maxlength="200" autocomplete="off">
<button type="submit" class="button">${t.search}</button>
</form>`
}
<div class="top-end">
<form method="post" action="/preferences"><input type="hidden" name="next" value="${address}"><button class="plain" name="language" value="${t.otherLanguageCode}" lang="${t.otherLanguageTag}">${t.otherLanguage}</button></form>
${
  principal &&
  html`<form method="post" action="/logout"><button type="submit" class="plain">${t.signOut}</button></form>`
}</div>
</header>`;
}

export function layout(shell: Shell, content: PageContent): Html {
  const { locale, principal, address, state, notice } = shell;
  const t = locale.of(SHELL);
  const scripts = principal ? ['main', ...(content.scripts ?? [])] : [];
  const query = queryOf(address).get('q') ?? '';
  return html`<!doctype html>
<html lang="${locale.tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${content.title} · wechat-media-archiver</title>
<link rel="icon" href="/login/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/login/base.css">
${principal && STYLES.map((name) => html`<link rel="stylesheet" href="/dashboard/styles/${name}.css">\n`)}${scripts.map(
  (name) => html`<script type="module" src="/dashboard/browser/${name}.js"></script>\n`,
)}</head>
<body data-language="${locale.language}" data-time-zone="${locale.timeZone}"${attributes({ 'data-live': content.isLive !== false && principal !== undefined })} data-lost="${t.lost}" data-ended="${t.ended}" data-sign-in="${t.signIn}">
<a class="skip" href="#main">${t.skip}</a>
${header(shell, query)}
${navigation(shell, content.section)}
<div class="state-box" role="region" aria-label="${t.state}">${state}<button type="button" class="plain" id="pause" data-resume="${t.resume}" aria-pressed="false" hidden>${t.pause}</button></div>
<p class="visually-hidden" id="announcement" role="status"></p>
${notice !== undefined && html`<p class="notice good" role="status" id="notice">${outside(notice)}</p>`}
<main id="main" tabindex="-1">
<h1>${content.title}</h1>
${content.main}
</main>
<footer class="bottom"><p>${principal && html`${t.signedInAs('')}${outside(principal.name)} · `}<a href="/settings#preferences">${t.zone(locale.timeZone)}</a></p></footer>
</body>
</html>
`;
}

export const errorContent: ErrorContent = (locale, status, problem) => {
  const t = locale.of(SHELL);
  return {
    title: status === 404 ? t.notFoundTitle : t.errorTitle,
    status,
    isLive: false,
    main: html`${problemBox(problem)}
<p><a href="/">${t.backToOverview}</a></p>`,
  };
};
