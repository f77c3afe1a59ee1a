/**
 * Responds to requests that arrive while the service starts: browsers get a page that loads the same address again,
 * with a login ticket in it, which is not used up; programs get 503 with Retry-After.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { type Language, languageOf, Problem, problemBody } from '../problem.ts';
import { PROBLEMS } from '../problem-table.ts';

const RETRY_SECONDS = 2;
/** Routes that programs call. The others are pages. */
const FOR_PROGRAMS = /^\/(?:v1|wechat|queues|metrics|openapi\.json)(?:\/|\?|$)/;

const STYLE =
  'body{margin:0;min-height:100vh;display:grid;place-content:center;padding:1rem;text-align:center;' +
  'font:1rem/1.6 system-ui,sans-serif;color-scheme:light dark}h1{font-size:1.4rem}p{margin:.3rem}';
const STYLE_DIGEST = createHash('sha256').update(STYLE).digest('base64');

const HEADERS = {
  'cache-control': 'no-store',
  // The next request comes on a new connection; the limits of this one end with it.
  connection: 'close',
  'x-content-type-options': 'nosniff',
} as const;
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_DIGEST}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  // The address may contain a login ticket.
  'referrer-policy': 'no-referrer',
  vary: 'Accept, Accept-Language',
} as const;
const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' };
const PROBLEM_HEADERS = {
  'content-type': 'application/problem+json; charset=utf-8',
  vary: 'Accept, Accept-Language',
};

const WORDS = {
  en: { lang: 'en', title: 'Starting …', text: 'This page opens as soon as the service is ready.' },
  zh: { lang: 'zh-CN', title: '正在启动……', text: '服务就绪后，本页会自动打开。' },
} as const;

/** The handler of a listener whose routes are not ready yet. It reads no body and uses no part of the service. */
export function respondStarting(request: IncomingMessage, response: ServerResponse): void {
  const { status, headers, body } = responseTo(request);
  const fields: OutgoingHttpHeaders = {
    ...HEADERS,
    ...headers,
    ...(status === 503 ? { 'retry-after': String(RETRY_SECONDS) } : {}),
    'content-length': Buffer.byteLength(body),
  };
  response.writeHead(status, fields);
  response.end(request.method === 'HEAD' ? undefined : body);
}

function responseTo({ method, url = '', headers }: IncomingMessage): {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
} {
  const path = url.split('?')[0];
  const isRead = method === 'GET' || method === 'HEAD';
  const json = (status: number, body: object) => ({
    status,
    headers: JSON_HEADERS,
    body: JSON.stringify(body),
  });
  if (isRead && path === '/livez') return json(200, { status: 'ok', reasons: [] });
  if (isRead && path === '/readyz') return json(503, { status: 'starting', degraded: [], checks: {} });
  const language = languageOf({ headers });
  if (isRead && !FOR_PROGRAMS.test(url) && /text\/html/i.test(headers.accept ?? ''))
    return { status: 503, headers: PAGE_HEADERS, body: startingPage(language) };
  const problem = problemBody(new Problem('starting'), language);
  return { status: PROBLEMS.starting.status, headers: PROBLEM_HEADERS, body: JSON.stringify(problem) };
}

/** Returns the page in both languages, the preferred one first. It contains nothing of the request. */
function startingPage(language: Language): string {
  const ordered = language === 'zh' ? [WORDS.zh, WORDS.en] : [WORDS.en, WORDS.zh];
  const sections = ordered.map(
    ({ lang, title, text }) => `<section lang="${lang}"><h1>${title}</h1><p>${text}</p></section>`,
  );
  return `<!doctype html>
<html lang="${ordered[0]!.lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="${RETRY_SECONDS}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>wechat-media-archiver</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body><main>${sections.join('')}</main></body>
</html>
`;
}
