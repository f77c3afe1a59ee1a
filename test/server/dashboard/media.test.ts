/** The pages of media items in a real Chromium: find, look, listen, and act on one. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { contentOf } from '../../../src/simulator/media/contents.ts';
import { missing } from '../../machine/services.ts';
import { openTestServer, PLAIN, reference, SAFE, type TestServer } from '../setup.ts';
import {
  axeViolations,
  type Client,
  type ClientOptions,
  openBrowser,
  openClient,
  overflow,
  withClient,
} from './browser.ts';
import { createClosed, createPicture, HOSTILE } from './rows.ts';

const SENTENCE = '我想退货，请问合同在哪里？';

describe('the pages of media items', { skip: missing.chromium }, () => {
  let s: TestServer;
  let browser: Browser;
  let picture: string;
  let voice: string;
  let video: string;
  let cover: string;
  let allowedOrigins: string[];

  async function createFile(
    kind: 'image' | 'voice' | 'video' | 'thumb',
    fields: object = {},
  ): Promise<string> {
    const { contentType, extension, chunks } = contentOf({ kind, seed: 3, sizeBytes: 0 });
    return s.createArchived(reference({ kind, ...fields }), {
      body: Buffer.concat([...chunks()]),
      contentType,
      extension,
    });
  }

  before(async () => {
    [s, browser] = await Promise.all([
      openTestServer(),
      openBrowser(['--autoplay-policy=no-user-gesture-required']),
    ]);
    const link = await s.context.store.link('x', { now: new Date(), ttlMs: 60_000 });
    allowedOrigins = [new URL(link.url).origin];
    picture = await createPicture(s, 'o-photographer');
    voice = await createFile('voice', { openId: 'o-speaker', msgId: '4711', text: SENTENCE });
    video = await createFile('video', { openId: 'o-filmer' });
    cover = await createFile('thumb', { parentId: video });
    await createClosed(s, 30, { openId: 'o-unlucky' });
  });
  after(async () => {
    await browser?.close();
    await s.close();
  });

  const inClient = (options: ClientOptions, run: (client: Client) => Promise<void>): Promise<void> =>
    withClient(browser, s, { allowedOrigins, ...options }, run);
  /** The ids of the cards. Text, because TypeScript knows no DOM here. */
  const cards = (page: Page) =>
    page.evaluate(`[...document.querySelectorAll('#media > .card')].map(({ id }) => id)`) as Promise<
      string[]
    >;

  for (const language of ['en', 'zh'] as const)
    it(`have no violation of axe in ${language === 'en' ? 'English' : 'Chinese'}, and fit a phone`, async () => {
      await inClient({ language }, async ({ page }) => {
        for (const address of [
          '/media',
          '/media?view=list&status=dead',
          `/media/${picture}`,
          `/media/${voice}`,
          `/media/${picture}/erase`,
        ]) {
          await page.setViewportSize({ width: 1280, height: 900 });
          await page.goto(s.url + address);
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme });
            assert.deepEqual(await axeViolations(page), [], `${address} in ${colorScheme}`);
          }
          await page.setViewportSize({ width: 390, height: 800 });
          assert.equal(await overflow(page), 0, `${address} at 390 px`);
        }
      });
    });

  it('find an item by each of its ids, a digest and two Chinese characters', async () => {
    const row = await s.context.catalogue.media.get(voice);
    await inClient({}, async ({ page }) => {
      await page.goto(s.url);
      for (const text of [
        voice,
        row?.mediaId,
        'o-speaker',
        '4711',
        row?.sha256?.slice(0, 10),
        '合同',
        '退货 合同',
      ]) {
        await page.fill('#q', text ?? '');
        await page.press('#q', 'Enter');
        await page.waitForURL((url) => url.searchParams.get('q') === text);
        assert.ok((await cards(page)).includes(voice), text);
      }
    });
  });

  it('show the same to a colleague with the same address, after a reload and after Back', async () => {
    const address = `${s.url}/media?account=${PLAIN.account}&status=dead&view=list`;
    await inClient({}, async ({ page }) => {
      await page.goto(address);
      await page.click('a[rel=next]');
      await page.waitForURL(/cursor=/);
      const second = page.url();
      const ids = () =>
        page.evaluate(
          `[...document.querySelectorAll('#results td a[href^="/media/"]')].map(({ href }) => href)`,
        );
      const shown = await ids();
      await page.reload();
      assert.deepEqual(await ids(), shown);
      await page.goBack();
      assert.equal(page.url(), address);
      await page.goForward();
      assert.equal(page.url(), second);
      await page.click('a[rel=prev]');
      await page.waitForURL((url) => url.href !== second);
      assert.notDeepEqual(await ids(), shown);
      await inClient({ key: 'read' }, async ({ page: other }) => {
        await other.goto(second);
        assert.equal(await other.locator('#results table tbody tr').count(), 6);
        assert.equal(
          await other.locator('.actions a.danger').count(),
          0,
          'a read key is not offered to erase',
        );
      });
    });
  });

  it('lead back to the address that was asked for before the sign-in', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const response = await page.goto(`${s.url}/media?status=dead&view=list`);
    assert.equal(response?.status(), 401);
    await page.fill('#key', 'admin-secret-0123456789');
    await page.press('#key', 'Enter');
    await page.waitForSelector('#results');
    assert.equal(page.url(), `${s.url}/media?status=dead&view=list`);
    await context.close();
  });

  it('show nothing of other accounts to a key that is bound to one', async () => {
    await inClient({ key: 'school' }, async ({ page }) => {
      await page.goto(`${s.url}/media?q=o-speaker`);
      assert.deepEqual(await cards(page), []);
      const response = await page.goto(`${s.url}/media?account=${SAFE.account}`);
      assert.equal(response?.status(), 200);
    });
    const client = await openClient(browser, s, { key: 'school' });
    const response = await client.page.goto(`${s.url}/media/${voice}`);
    assert.equal(response?.status(), 404);
    assert.doesNotMatch((await client.page.textContent('body')) ?? '', /o-speaker/);
    await client.close();
  });

  it('play a voice, show a thumbnail, and make the archived cover the poster of its video', async () => {
    await inClient({}, async ({ page }) => {
      await page.goto(`${s.url}/media?status=archived`);
      const shown = await cards(page);
      assert.ok(shown.includes(video));
      assert.ok(!shown.includes(cover), 'the cover is no card of its own');
      const poster = await page.locator(`[id="${video}"] video`).getAttribute('poster');
      assert.equal(poster, `/v1/media/${cover}/preview`);
      const width = await page.evaluate(
        `(async (image) => { image.loading = 'eager'; await image.decode(); return image.naturalWidth; })(document.querySelector('[id="${picture}"] img'))`,
      );
      assert.ok(Number(width) > 0 && Number(width) <= 320, `${width} px`);
      const seconds = await page.evaluate(`(async (audio) => {
           audio.muted = true;
           await audio.play();
           while (audio.currentTime === 0) await new Promise((resolve) => setTimeout(resolve, 20));
           return audio.duration;
         })(document.querySelector('[id="${voice}"] audio'))`);
      assert.ok(Number(seconds) > 0);
    });
  });

  it('open a picture large with the keyboard, with its address, and close it with Back', async () => {
    await inClient({}, async ({ page }) => {
      const list = `${s.url}/media?status=archived`;
      await page.goto(list);
      await page.focus(`[id="${picture}"] [data-open]`);
      await page.keyboard.press('Enter');
      await page.waitForSelector('#lightbox[open] .lightbox-view img');
      assert.equal(new URL(page.url()).searchParams.get('item'), picture);
      const opened = page.url();
      await page.keyboard.press('ArrowLeft');
      await page.waitForURL((url) => url.href !== opened);
      await page.keyboard.press('Escape');
      await page.waitForSelector('#lightbox:not([open])', { state: 'attached' });
      await page.waitForURL(list);
      await page.goto(opened);
      await page.waitForSelector('#lightbox[open] .lightbox-view img');
    });
  });

  it('show hostile names as texts, with direction marks by name', async () => {
    await inClient({}, async ({ page }) => {
      for (const address of [
        '/media?q=o-photographer',
        '/media?view=list&q=o-photographer',
        `/media/${picture}`,
      ]) {
        await page.goto(s.url + address);
        assert.equal(await page.locator('.owned').count(), 0);
        const text = (await page.locator('main').textContent()) ?? '';
        assert.ok(text.includes(HOSTILE.slice(0, 10)), address);
        assert.ok(text.includes('U+202E'), address);
        assert.ok(!text.includes('\u202e'), address);
      }
    });
  });

  it('make a link that ends in a day, and record it without the link', async () => {
    await inClient({}, async ({ page }) => {
      await page.goto(`${s.url}/media/${picture}`);
      await page.selectOption('#ttl', '1d');
      await page.click('#actions button:has-text("Make a link")');
      const link = await page.inputValue('#new-link');
      assert.ok(Number(new URL(link).searchParams.get('X-Amz-Expires')) >= 85_000);
      assert.equal((await fetch(link)).status, 200);
      await page.goto(`${s.url}/media/${picture}`);
      const log = await page.innerText('#timeline');
      assert.match(log, /Link made/);
      assert.doesNotMatch(log, /X-Amz/);
    });
  });

  it('tell what happened, and erase an item with a reason, without scripts', async () => {
    const id = await createPicture(s, 'o-forgotten');
    await inClient({ javaScriptEnabled: false }, async ({ page }) => {
      await page.goto(`${s.url}/media/${id}`);
      assert.match(await page.innerText('#timeline'), /Reference accepted[\s\S]*Stored and verified/);
      await page.click('a:has-text("Erase…")');
      await page.fill('#f-reason', 'asked by letter');
      await page.click('button:has-text("Erase for good")');
      await page.waitForURL(`${s.url}/media/${id}`);
      assert.match(await page.innerText('#notice'), /erased/);
      const text = await page.innerText('main');
      assert.match(text, /asked by letter/);
      assert.doesNotMatch(text, /o-forgotten/);
      await page.reload();
      assert.equal(await page.locator('#notice').count(), 0, 'a notice is shown once');
    });
  });

  it('try a dead item again', async () => {
    const [id = ''] = await createClosed(s, 1);
    await inClient({}, async ({ page }) => {
      await page.goto(`${s.url}/media/${id}`);
      await page.click('#actions button:has-text("Try again")');
      await page.waitForSelector('#notice');
      assert.equal((await s.context.catalogue.media.get(id))?.status, 'pending');
    });
  });

  it('say why a file cannot be seen', async () => {
    const gone = await createPicture(s, 'o-gone');
    const { objectKey = '' } = (await s.context.catalogue.media.get(gone)) ?? {};
    await s.context.store.delete(objectKey, AbortSignal.timeout(10_000));
    const client = await openClient(browser, s, { allowedOrigins });
    await client.page.goto(`${s.url}/media?q=o-gone`);
    await client.page.waitForSelector(`[id="${gone}"] .failure:has-text("no longer in the bucket")`);
    await client.close();
  });

  it('answer an id that does not exist with a page that says so', async () => {
    for (const [path, status] of [
      ['/media/m_00000000000000000000000000000000', 404],
      ['/media/nonsense', 400],
      ['/media?errcode=abc', 400],
      ['/media?q=x', 400],
      ['/media?cursor=nonsense', 400],
      ['/no-such-page', 404],
    ] as const) {
      const response = await s.call(path, { key: 'admin', headers: { accept: 'text/html' } });
      assert.equal(response.status, status, path);
    }
  });
});
