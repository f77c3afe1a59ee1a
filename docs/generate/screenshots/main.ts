/**
 * Takes the pictures of README and docs/dashboard.md, in both languages: `node bin/run.js docs/generate/screenshots/main.ts`.
 * Needs Chromium, and a font with Chinese characters (Debian: fonts-wqy-microhei).
 */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { startSweeper } from '../../../src/app/worker.ts';
import { parseApiKeys } from '../../../src/config/api-keys.ts';
import { openServer } from '../../../src/server/start.ts';
import { findMachine } from '../../../test/machine/find.ts';
import { openTestServer, PLAIN, type TestServer } from '../../../test/server/setup.ts';
import { ACCOUNTS, fill, heartbeats, OPERATOR, type Shown } from './rows.ts';

const WIDTH = 1280;
const LOAD_MS = 60_000;
/** A picture of this height shows what a page is about; the rest repeats it. */
const TALLEST = 1600;
/** A page is at least as high as its window, so it is measured in a low one. */
const LOWEST = 300;
const HEARTBEAT_MS = 4_000;
const KEY = 'a-secret-only-for-the-screenshots';
const FOLDERS = { en: '../../screenshots/', zh: '../../zh/screenshots/' } as const;
type Language = keyof typeof FOLDERS;

interface Shot {
  readonly address: string;
  /** In pixels; default: the whole page, up to {@link TALLEST}. */
  readonly height?: number;
  /** What is done on the page first. */
  readonly prepare?: (page: Page) => Promise<void>;
}

function shotsOf({ photo, week }: Shown, erasure: string): Readonly<Record<string, Shot>> {
  const ofLastWeek = new URLSearchParams({
    status: 'dead',
    account: PLAIN.account,
    errcode: '40007',
    from: week.monday,
    to: week.sunday,
  });
  return {
    overview: { address: '/' },
    media: { address: '/media', height: 1100 },
    search: { address: `/media?q=${encodeURIComponent('快递')}` },
    item: { address: `/media/${photo}` },
    'dead-letters': { address: '/dead-letters' },
    redrive: { address: `/redrive?${ofLastWeek}` },
    accounts: { address: '/accounts' },
    alerts: { address: '/alerts' },
    'audit-log': { address: '/audit-log' },
    erasure: { address: erasure },
    settings: { address: '/settings', height: 1300 },
  };
}

/** Waits until every picture in sight is decoded; throws where one is broken. */
async function waitForPictures(page: Page): Promise<void> {
  const broken = await page.evaluate(async () => {
    const { document, innerHeight } = globalThis as unknown as {
      document: { images: Iterable<HTMLPicture> };
      innerHeight: number;
    };
    interface HTMLPicture {
      src: string;
      decode(): Promise<void>;
      getBoundingClientRect(): { top: number };
    }
    const shown = [...document.images].filter((image) => image.getBoundingClientRect().top < innerHeight);
    const results = await Promise.allSettled(shown.map((image) => image.decode()));
    return shown.filter((_, index) => results[index]?.status === 'rejected').map(({ src }) => src);
  });
  if (broken.length > 0) throw new Error(`broken pictures: ${broken.join(', ')}`);
}

async function take(
  context: BrowserContext,
  url: string,
  { address, height, prepare }: Shot,
): Promise<Buffer> {
  const page = await context.newPage();
  try {
    await page.setViewportSize({ width: WIDTH, height: LOWEST });
    await page.goto(url + address, { timeout: LOAD_MS });
    await prepare?.(page);
    await page.locator('main').waitFor();
    const whole = await page.evaluate('document.body.scrollHeight');
    await page.setViewportSize({ width: WIDTH, height: Math.min(height ?? TALLEST, Number(whole)) });
    await waitForPictures(page);
    // The charts are drawn again when the window has changed.
    await page.waitForTimeout(1_000);
    return await page.screenshot();
  } finally {
    await page.close();
  }
}

/** The server of a test with a key that has a name, and the address that WeChat would call. */
async function openPages(s: TestServer): Promise<string> {
  const keys = parseApiKeys(`${OPERATOR}:admin:${KEY}`);
  if (!('value' in keys)) throw new Error(keys.wrong);
  const { url } = await openServer(s.context, { keys: keys.value });
  return url;
}

/** The processes that the pages show live for as long as this program. */
async function keepAlive(s: TestServer, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await heartbeats(s);
    await setTimeout(HEARTBEAT_MS, undefined, { signal }).catch(() => {});
  }
}

async function erase(url: string, { leaving }: Shown): Promise<string> {
  const response = await fetch(`${url}/v1/erasures`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ account: PLAIN.account, openId: leaving, reason: '用户要求删除' }),
  });
  const { id } = (await response.json()) as { id: string };
  return `/erasures/${id}`;
}

const folder = await mkdtemp(join(tmpdir(), 'wma-screenshots-'));
process.env.TEST_FOLDER = folder;
const s = await openTestServer({
  accounts: ACCOUNTS,
  environment: { PUBLIC_URL: 'https://wechat.example.com' },
});
const ends = new AbortController();
const closing: (() => Promise<void>)[] = [];
const { via } = (await findMachine(process.env)).chromium;
if (!via) throw new Error('there is no Chromium');
try {
  const url = await openPages(s);
  const shown = await fill(s);
  void keepAlive(s, ends.signal);
  startSweeper(s.context);
  const shots = shotsOf(shown, await erase(url, shown));
  for (const [language, path] of Object.entries(FOLDERS) as [Language, string][]) {
    // The fields for dates are written in the language of the browser itself.
    const [locale, lang] = language === 'zh' ? ['zh-CN', 'zh_CN.UTF-8'] : ['en-GB', 'en_GB.UTF-8'];
    const browser = await chromium.launch({
      executablePath: via,
      args: ['--no-sandbox', '--mute-audio', `--lang=${locale}`],
      env: { ...process.env, LANG: lang, LANGUAGE: lang },
    });
    closing.push(() => browser.close());
    const context = await browser.newContext({ locale });
    await context.request.post(`${url}/login`, { form: { key: KEY, next: '/' }, maxRedirects: 0 });
    const target = fileURLToPath(new URL(path, import.meta.url));
    await mkdir(target, { recursive: true });
    for (const [name, shot] of Object.entries(shots)) {
      const picture = sharp(await take(context, url, shot));
      const file = join(target, `${name}.png`);
      await writeFile(file, await picture.png({ palette: true, colours: 128, effort: 10 }).toBuffer());
      console.log(file, (await stat(file)).size);
    }
    await context.close();
  }
} finally {
  ends.abort();
  for (const close of closing) await close();
  await s.close();
  await rm(folder, { recursive: true, force: true });
}
