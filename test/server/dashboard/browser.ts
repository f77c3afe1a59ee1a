/** A real Chromium for the pages of the dashboard: signed in, with problems recorded, and with axe-core. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { chromiumForTest } from '../../machine/services.ts';
import { KEYS, type TestServer } from '../setup.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
/** On an idle machine nothing takes a second. */
const TIMEOUT_MS = 30_000;
const AXE = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

export interface ClientOptions {
  /** Whose session the browser has. Default: admin. */
  readonly key?: keyof typeof KEYS | undefined;
  readonly language?: 'en' | 'zh' | undefined;
  readonly width?: number | undefined;
  readonly javaScriptEnabled?: boolean | undefined;
  /** Other origins that the pages may load from: that of the store, for its links. */
  readonly allowedOrigins?: readonly string[] | undefined;
}

export interface Client {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors in the console, exceptions, and requests to other hosts; checked by {@link Client.close}. */
  readonly problems: string[];
  close(): Promise<void>;
}

/** `flags`: besides those that every test needs. */
export async function openBrowser(flags: readonly string[] = []): Promise<Browser> {
  const test = { after: () => undefined, skip: () => undefined };
  const executablePath = chromiumForTest(test as never);
  if (!executablePath) throw new Error('no Chromium');
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

/** Opens a page in a browser of its own: cookies, language and width are not shared with other clients. */
export async function openClient(
  browser: Browser,
  s: TestServer,
  options: ClientOptions = {},
): Promise<Client> {
  const { key = 'admin', language = 'en', width = 1280, javaScriptEnabled = true } = options;
  const allowed = ['null', s.url, ...(options.allowedOrigins ?? [])];
  const context = await browser.newContext({
    locale: language === 'zh' ? 'zh-CN' : 'en-GB',
    viewport: { width, height: 900 },
    javaScriptEnabled,
  });
  context.setDefaultTimeout(TIMEOUT_MS);
  const response = await context.request.post(`${s.url}/login`, {
    form: { key: KEYS[key], next: '/' },
    maxRedirects: 0,
  });
  assert.equal(response.status(), 303, 'signed in');
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const { origin } = new URL(request.url());
    if (!allowed.includes(origin)) problems.push(`request to ${origin}`);
  });
  return { context, page, problems, close: () => context.close() };
}

/** Opens a client for `run`, and fails if the browser reported a problem meanwhile. */
export async function withClient(
  browser: Browser,
  s: TestServer,
  options: ClientOptions,
  run: (client: Client) => Promise<void>,
): Promise<void> {
  const client = await openClient(browser, s, options);
  try {
    await run(client);
    assert.deepEqual(client.problems, []);
  } finally {
    await client.close();
  }
}

/**
 * Violations of axe-core, each as one line. Its source is evaluated by the debugger, which our security policy permits;
 * a script element would be refused.
 */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const lines = await page.evaluate(
    `axe.run(document).then(({ violations }) => violations.flatMap(({ id, help, nodes }) =>
       nodes.map(({ html, failureSummary }) => id + ': ' + help + ': ' + html.slice(0, 200) + ' ' + failureSummary)))`,
  );
  return lines as string[];
}

/** How many pixels the page is wider than the window; 0: it does not scroll sideways. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  ) as Promise<number>;
