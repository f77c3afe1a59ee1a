/** The sign-in page. It has no scripts, so that it also works where none may be loaded. */
import type { Language } from '../problem.ts';

const WORDS = {
  en: {
    lang: 'en',
    lead: 'Sign in to see what has been archived.',
    link: 'Open a login link: the command wma login creates one, and npm start prints one. It works once, for 15 minutes.',
    or: 'Or paste an API key',
    field: 'API key',
    button: 'Sign in',
    hint: 'One of API_KEYS, or the key in the file whose path was printed at start.',
    wrong: 'This server does not know that key.',
    spent: 'That link was already used or has expired.',
    wait: 'Too many wrong keys from this address. The right key is still accepted.',
    ended: 'Your session has ended. After signing in you are back where you were.',
    signedIn: 'Signed in. One moment …',
    go: 'Continue',
  },
  zh: {
    lang: 'zh-CN',
    lead: '登录后即可查看归档情况。',
    link: '请打开登录链接：用命令 wma login 生成，或使用 npm start 启动时打印的链接。链接只能使用一次，15 分钟内有效。',
    or: '或粘贴 API 密钥',
    field: 'API 密钥',
    button: '登录',
    hint: 'API_KEYS 中的任一密钥，或启动时打印的密钥文件中的内容。',
    wrong: '该密钥不属于本服务。',
    spent: '该链接已使用过或已过期。',
    wait: '此地址输错次数过多。正确的密钥仍可登录。',
    ended: '会话已结束。登录后会回到刚才的页面。',
    signedIn: '已登录，请稍候…',
    go: '继续',
  },
} as const;

export type SignInError = 'wrong' | 'spent' | 'wait' | 'ended';

export interface SignInOptions {
  readonly error?: SignInError;
  /** The page to which the sign-in leads; an address of this server. Default: `/`. */
  readonly next?: string;
}

const escapeAttribute = (text: string): string =>
  text.replace(/[&"<>]/g, (character) => `&#${character.charCodeAt(0)};`);

/** Returns the HTML document. Texts are not escaped here: what a visitor sent must be escaped before. */
function document(language: Language, head: string, body: string): string {
  return `<!doctype html>
<html lang="${WORDS[language].lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>wechat-media-archiver</title>
<link rel="icon" href="/login/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/login/base.css">
<link rel="stylesheet" href="/login/sign-in.css">
${head}</head>
<body class="sign-in">
<main class="sign-in-box">
<img class="sign-in-mark" src="/login/icon.svg" alt="" width="48" height="48">
<h1>wechat-media-archiver</h1>
${body}</main>
</body>
</html>
`;
}

export function signInPage(language: Language, { error, next = '/' }: SignInOptions = {}): string {
  const words = WORDS[language];
  return document(
    language,
    '',
    `<p class="sign-in-lead">${words.lead}</p>
${error ? `<p class="sign-in-error" role="alert">${words[error]}</p>\n` : ''}<p>${words.link}</p>
<form method="post" action="/login">
<input type="hidden" name="next" value="${escapeAttribute(next)}">
<h2>${words.or}</h2>
<label for="key">${words.field}</label>
<input id="key" name="key" type="password" autocomplete="current-password" required maxlength="512" aria-describedby="key-hint"${error === 'wrong' ? ' aria-invalid="true"' : ''}>
<p id="key-hint" class="hint">${words.hint}</p>
<button type="submit" class="primary">${words.button}</button>
</form>
`,
  );
}

/**
 * Returns the page between login link and dashboard. A SameSite=Strict cookie is not sent with a redirect that another
 * site (a chat, web mail) started; it is sent with a navigation that this page starts.
 */
export function signedInPage(language: Language, next = '/'): string {
  const words = WORDS[language];
  const address = escapeAttribute(next);
  return document(
    language,
    `<meta http-equiv="refresh" content="0; url=${address}">\n`,
    `<p class="sign-in-lead" role="status">${words.signedIn}</p>\n<p><a href="${address}">${words.go}</a></p>\n`,
  );
}
