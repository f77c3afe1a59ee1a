/** The dashboard in a real Chromium: no requests to other hosts, no errors in the console, no execution of user input. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { contentOf } from '../../../../src/simulator/media/contents.ts';
import { chromiumForTest, missing } from '../../../machine/services.ts';
import { eventually } from '../../../queue/handled.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../../setup.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
/** Text, because TypeScript knows no DOM here. */
const LOW_CONTRAST_TEXTS = await readFile(new URL('./low-contrast-texts.js', import.meta.url), 'utf8');
const HOSTILE = '"><img src=x onerror=document.title="owned">';

describe('the dashboard', { skip: missing.chromium }, () => {
  let s: TestServer;
  let storeOrigin: string;
  let folder: string;
  let context: BrowserContext;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wma-browser-'));
    const t = { after: () => undefined, skip: () => undefined } as unknown as TestContext;
    // Concurrently, because both take seconds to start.
    [s, context] = await Promise.all([
      openTestServer(),
      chromium.launchPersistentContext(folder, {
        executablePath: chromiumForTest(t) as string,
        args: FLAGS,
        locale: 'en-GB',
        viewport: { width: 1280, height: 800 },
      }),
    ]);
    // On an idle machine nothing takes a second.
    context.setDefaultTimeout(30_000);
    const link = await s.context.store.link('x', { now: new Date(), ttlMs: 60_000 });
    storeOrigin = new URL(link.url).origin;
  });
  after(async () => {
    await context?.close();
    await s.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Opens a page and records console errors, exceptions and requests to other hosts. */
  async function open(): Promise<{ page: Page; problems: string[] }> {
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
    page.on('request', (request) => {
      const { origin } = new URL(request.url());
      if (origin !== 'null' && origin !== s.url && origin !== storeOrigin)
        problems.push(`request to ${origin}`);
    });
    return { page, problems };
  }
  const signedIn = async () => {
    const opened = await open();
    await opened.page.goto(s.server.createLoginLink());
    await opened.page.waitForSelector('body[data-shown]');
    return opened;
  };

  /** Refreshes now and not within three seconds, as when a user returns to the page. */
  const refresh = (page: Page) => page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`);

  /** Refreshes until an element is there: the server runs its checks once a second. */
  async function untilShown(page: Page, selector: string): Promise<void> {
    await eventually(selector, async () => {
      await refresh(page);
      return await page
        .waitForSelector(selector, { timeout: 500 })
        .then(() => true)
        .catch(() => false);
    });
  }

  /** Polls a condition. Not waitForFunction: it evaluates text inside the page, which our security policy forbids. */
  async function until(page: Page, condition: string): Promise<void> {
    const end = performance.now() + 15_000;
    while (!(await page.evaluate(condition))) {
      assert.ok(performance.now() < end, `not within 15 s: ${condition}`);
      await page.waitForTimeout(50);
    }
  }

  it('shows the sign-in page with status 401 to clients without a session', async () => {
    const { page } = await open();
    const response = await page.goto(`${s.url}/`);
    assert.equal(response?.status(), 401);
    assert.match(await page.innerText('main'), /Sign in/);
    await page.fill('#key', 'no such key at all');
    await page.click('button');
    assert.match(await page.innerText('[role=alert]'), /does not know that key/);
    await page.fill('#key', KEYS.school);
    await page.click('button');
    await page.waitForSelector('body[data-shown]');
    assert.match(await page.innerText('#account-rows'), /school/);
    assert.doesNotMatch(await page.innerText('#account-rows'), /shop/);
    await page.click('text=Sign out');
    await page.waitForSelector('#key');
    await page.close();
  });

  it('opens with a login link on a page of another site', async () => {
    const { page } = await open();
    const link = s.server.createLoginLink();
    const chat = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<a id="go" href="${link}">go</a>`);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => chat.once('listening', resolve));
    // Another host name, so that it is another site.
    await page.goto(`http://localhost:${(chat.address() as { port: number }).port}/`);
    await page.click('#go');
    await page.waitForSelector('body[data-shown]');
    assert.equal(page.url(), `${s.url}/`);
    await page.close();
    chat.close();
    chat.closeAllConnections();
  });

  it('shows the callback URL to paste while nothing has arrived', async () => {
    const { page, problems } = await signedIn();
    assert.match(await page.innerText('#empty'), new RegExp(`${s.url}/wechat/${PLAIN.account}`));
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('shows new pictures, videos, voices and failures without a reload', async () => {
    const { page, problems } = await signedIn();
    for (const kind of ['image', 'video', 'voice'] as const) {
      const { contentType, extension, chunks } = contentOf({ kind, seed: 7, sizeBytes: 0 });
      const content = { body: Buffer.concat([...chunks()]), contentType, extension, fileName: HOSTILE };
      await s.createArchived(
        reference({ kind, openId: HOSTILE.slice(0, 40), labels: { a: HOSTILE } }),
        content,
      );
    }
    await s.createDead(reference({ kind: 'video', account: SAFE.account }));
    await page.waitForSelector('.card:nth-child(4)');
    await until(
      page,
      `
      document.querySelector('.card img').naturalWidth > 0 && document.querySelector('.card video').readyState >= 1
    `,
    );
    assert.equal(await page.locator('.card a[download]').count(), 1, 'the voice');
    assert.match(
      await page.innerText('#dead-rows'),
      /larger than MAX_MEDIA_BYTES[\s\S]*Raise MAX_MEDIA_BYTES/,
    );
    assert.equal(await page.innerText('.count[data-status=archived] .count-number'), '3');
    assert.equal(await page.title(), 'wechat-media-archiver');
    assert.equal(await page.locator('.name', { hasText: HOSTILE }).count(), 3);
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('refreshes without rebuilding cards that have not changed', async () => {
    const { page } = await signedIn();
    await page.evaluate(`for (const card of document.querySelectorAll('.card')) card.dataset.mark = '1'`);
    await page.waitForResponse((response) => response.url().includes('/v1/stats'));
    await s.context.accept([reference({ kind: 'thumb' })]);
    await refresh(page);
    await page.waitForSelector('.card:not([data-mark])');
    assert.equal(await page.locator('.card:not([data-mark])').count(), 1);
    await page.close();
  });

  it('names a picture by its sender and not by its media id', async () => {
    const { page } = await signedIn();
    const { contentType, extension, chunks } = contentOf({ kind: 'image', seed: 8, sizeBytes: 0 });
    const input = reference({ openId: 'o-sender' });
    const content = { body: Buffer.concat([...chunks()]), contentType, extension };
    await s.createArchived(input, { ...content, fileName: `${input.mediaId}.${extension}` });
    await refresh(page);
    await page.waitForSelector('a[title^="Picture from o-sender"] img');
    assert.doesNotMatch(await page.innerText('#media'), new RegExp(input.mediaId));
    await page.close();
  });

  it('retries a dead media item with a button', async () => {
    const { page, problems } = await signedIn();
    const id = await s.createDead(reference({ kind: 'voice' }));
    await refresh(page);
    const card = page.locator(`.card[data-key="${id}"]`);
    assert.match(await card.innerText(), /larger than MAX_MEDIA_BYTES/);
    await card.locator('button:has-text("Try again")').click();
    await page.waitForSelector(`.card[data-key="${id}"] .waiting`);
    assert.equal((await s.context.catalogue.media.get(id))?.status, 'pending');
    const [accepted] = await s.context.accept([reference({ kind: 'file', mediaId: 'msg:7', msgId: '7' })]);
    const files = accepted?.id;
    await refresh(page);
    await page.waitForSelector(`.card[data-key="${files}"] .gone`);
    assert.equal(await page.locator(`.card[data-key="${files}"] button`).count(), 0);
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('shows at the top that an account is held, and releases it', async () => {
    const why = { code: 'held_by_hand', class: 'account', reason: HOSTILE, by: 'ops' } as const;
    const until = new Date(Date.now() + 3_600_000);
    await s.context.catalogue.accounts.holdByHand(PLAIN.account, until, why, new Date());
    const { page, problems } = await signedIn();
    assert.ok((await page.innerText('#holds')).includes(`shop is on hold. Held by ops: ${HOSTILE}`));
    await untilShown(page, '#state:has-text("Account shop is held")');
    await page.click('#holds button:has-text("Release")');
    await page.waitForSelector('#holds', { state: 'hidden' });
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('shows at the top that the store is held, why, and what to do', async () => {
    const { storeHold } = s.context.catalogue;
    const now = new Date();
    await storeHold.takeProbe('a', now, now);
    await storeHold.probeFailed('a', now, { code: 'store_refused', class: 'store' }, now);
    const { page, problems } = await signedIn();
    assert.match(
      await page.innerText('#holds'),
      /All archiving is on hold\. The storage refused.*S3_BUCKET.*wma doctor/s,
    );
    await untilShown(page, '#state:has-text("All archiving is held")');
    assert.equal(await page.locator('#holds button').count(), 0, 'it is probed automatically');
    await storeHold.takeProbe('a', now, now);
    await storeHold.probeSucceeded('a', now, now);
    await refresh(page);
    await page.waitForSelector('#holds', { state: 'hidden' });
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('offers nothing that the key does not allow', async () => {
    await context.clearCookies();
    const { page } = await open();
    await s.context.catalogue.accounts.hold(PLAIN.account, new Date(Date.now() + 60_000), {
      code: 'ip_not_allowed',
      class: 'account',
    });
    await page.goto(`${s.url}/`);
    await page.fill('#key', KEYS.read);
    await page.click('button');
    await page.waitForSelector('body[data-shown]');
    assert.match(await page.innerText('#holds'), /shop is on hold/);
    assert.equal(await page.locator('#holds button, .card button').count(), 0);
    await s.context.catalogue.accounts.release(PLAIN.account, new Date());
    await page.close();
  });

  describe('with dead letters', () => {
    const createDeadItems = async (count: number, errcode: number) => {
      const references = Array.from({ length: count }, () => reference({ account: SAFE.account }));
      const ids = (await s.context.accept(references)).map(({ id }) => id);
      const failure = { code: 'invalid_media_id', class: 'permanent_media', errcode };
      await s.context.database.query(
        `UPDATE wma.media SET failure = $2, status = 'dead', stage = NULL, updated_at = now() WHERE id = ANY($1)`,
        [ids, failure],
      );
      return ids;
    };
    const takePage = async (id: string) =>
      (await s.context.catalogue.redrives.runPage(id, new Date(Date.now() + 60_000)))?.redriven;

    it('previews a redrive, starts it, shows its progress, and stops it', async () => {
      await createDeadItems(12, 40007);
      const { page, problems } = await signedIn();
      await page.getByRole('button', { name: 'Try the media items that failed with 40007 again…' }).click();
      const dialog = page.getByRole('dialog', { name: /does not know|not valid|media id/i });
      await dialog.getByText('12 media items would be tried again').waitFor();
      await dialog.getByRole('textbox', { name: /Reason/ }).fill(HOSTILE);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await page.evaluate(LOW_CONTRAST_TEXTS), []);
      }
      await dialog.getByRole('button', { name: 'Try 12 again' }).click();
      const shown = page.locator('.redrive');
      await shown.getByText('0 of 12 tried again').waitFor();
      assert.ok((await shown.innerText()).includes(`40007 · school`));
      assert.ok((await shown.innerText()).includes(`by login link · ${HOSTILE}`));
      const [redrive] = await s.context.catalogue.redrives.list(1);
      assert.deepEqual(redrive?.filter.account, [SAFE.account]);
      assert.equal(await takePage(redrive.id), 10);
      await refresh(page);
      await shown.getByText('10 of 12 tried again').waitFor();
      assert.equal(await shown.getByRole('progressbar', { name: 'Progress' }).count(), 1);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await page.evaluate(LOW_CONTRAST_TEXTS), []);
      }
      await shown.getByRole('button', { name: 'Stop' }).click();
      await shown.getByText('stopped: 10 of 12 tried again').waitFor();
      assert.equal(await takePage(redrive.id), undefined);
      assert.deepEqual(problems, []);
      await page.close();
    });

    it('filters the list by a group and back', async () => {
      const ids = await createDeadItems(1, 46001);
      const { page } = await signedIn();
      await page.getByRole('button', { name: 'Show the media items that failed with 46001' }).click();
      await until(page, `document.querySelectorAll('.card').length === 1`);
      assert.equal(await page.locator('.card').getAttribute('data-key'), ids[0]);
      await page.getByRole('button', { name: 'only 46001' }).click();
      await until(page, `document.querySelectorAll('.card').length > 1`);
      assert.equal(await page.getByRole('button', { name: 'only 46001' }).count(), 0);
      await page.close();
    });

    it('offers to redrive everything, but not with a key that may not', async () => {
      const { page } = await signedIn();
      await page.click('#dead-all');
      await page.getByRole('dialog').getByText('media items would be tried again').waitFor();
      await page.keyboard.press('Escape');
      assert.equal(await page.getByRole('dialog').count(), 0);
      await context.clearCookies();
      await page.goto(`${s.url}/`);
      await page.fill('#key', KEYS.write);
      await page.click('button');
      await page.waitForSelector('#dead-rows .row');
      assert.equal(await page.locator('#dead-rows .button:visible, #dead-all:visible').count(), 0);
      await page.close();
    });
  });

  it('switches to Chinese, stores the choice, and fits a phone', async () => {
    const { page, problems } = await signedIn();
    await page.click('#language');
    await until(page, `document.documentElement.lang === 'zh-CN'`);
    await until(page, `/文件大小超过/.test(document.querySelector('#dead-rows').textContent)`);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.reload();
    await page.waitForSelector('body[data-shown]');
    assert.equal(await page.innerText('#media-title'), '最新素材');
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360);
    await page.click('#language');
    await until(page, `document.documentElement.lang === 'en'`);
    assert.deepEqual(problems, []);
    await page.close();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has sufficient contrast in ${colorScheme} mode`, async () => {
      const { page } = await signedIn();
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(LOW_CONTRAST_TEXTS), []);
      await page.close();
    });
  }

  it('filters by status, with a text when nothing matches', async () => {
    const { page } = await signedIn();
    await page.click('.filter:has-text("Expired")');
    await page.waitForSelector('#empty:not([hidden])');
    assert.equal(await page.locator('.card').count(), 0);
    assert.equal(await page.getAttribute('.filter:has-text("Expired")', 'aria-pressed'), 'true');
    await page.close();
  });

  it('has a page for the queue: read only, without requests to other hosts', async () => {
    const { page, problems } = await signedIn();
    await page.goto(`${s.url}/queues`);
    await page.waitForSelector('text=wma-archive');
    assert.doesNotMatch(await page.content(), /fonts\.googleapis/);
    await page.goto(`${s.url}/queues/queue/wma-archive`);
    await page.waitForSelector('text=wma-archive');
    assert.deepEqual(problems, []);
    const pause = await s.call('/queues/api/queues/wma-archive/pause', { method: 'PUT', key: 'admin' });
    assert.equal(pause.status, 405);
    await page.close();
  });

  it('has a page for the API, without requests to other hosts', async () => {
    const { page, problems } = await signedIn();
    await page.goto(`${s.url}/docs`);
    await page.click('[data-path="/v1/media/batch"]');
    await page.waitForSelector('text=A problem');
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('distinguishes a missing file from one that the browser cannot show', async () => {
    const { page } = await signedIn();
    const { contentType, extension, chunks } = contentOf({ kind: 'image', seed: 8, sizeBytes: 0 });
    const video = contentOf({ kind: 'video', seed: 8, sizeBytes: 0 });
    const body = Buffer.concat([...chunks()]);
    const broken = { body: Buffer.from('no picture'), contentType, extension };
    const ids = {
      missingImage: await s.createArchived(reference({ kind: 'image', account: SAFE.account }), {
        body,
        contentType,
        extension,
      }),
      missingVideo: await s.createArchived(reference({ kind: 'video', account: SAFE.account }), {
        ...video,
        body: Buffer.concat([...video.chunks()]),
      }),
      broken: await s.createArchived(reference({ kind: 'image', account: SAFE.account }), broken),
      missingVoice: await s.createArchived(reference({ kind: 'voice', account: SAFE.account }), {
        body,
        contentType: 'audio/amr',
        extension: 'amr',
      }),
    };
    for (const id of [ids.missingImage, ids.missingVideo, ids.missingVoice]) {
      const row = await s.context.catalogue.media.get(id);
      await s.context.store.delete(row!.objectKey!, AbortSignal.timeout(5_000));
    }
    await refresh(page);
    const hint = (id: string) => page.locator(`.card[data-key="${id}"] .hint`);
    const missingText = 'The file is missing: its object is no longer in the bucket.';
    for (const [id, text] of [
      [ids.missingImage, missingText],
      [ids.missingVideo, missingText],
      [ids.broken, 'The file is available, but this browser cannot show it.'],
      [ids.missingVoice, 'Browsers cannot play this format.'],
    ] as const) {
      await hint(id).waitFor();
      assert.equal(await hint(id).innerText(), text);
    }
    await page.click(`.card[data-key="${ids.missingVoice}"] .button`);
    await until(
      page,
      `document.querySelector('.card[data-key="${ids.missingVoice}"] .hint').innerText === '${missingText}'`,
    );
    await page.close();
  });
});
