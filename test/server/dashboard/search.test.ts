/** The search box in a real Chromium among 100,000 media items: each kind of id, a digest, and words. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { contentOf } from '../../../src/simulator/media/contents.ts';
import { missing } from '../../machine/services.ts';
import { eventually } from '../../queue/handled.ts';
import { openTestServer, PLAIN, reference, type TestServer } from '../setup.ts';
import { openBrowser, openClient } from './browser.ts';

const ROWS = 100_000;
const BATCH = 25_000;
/** A page of 24 cards, with its thumbnails. */
const PAGE_BYTES = 400 * 1024;

/** Archived items of a year, of which every twentieth is a voice with a text. */
async function fill(s: TestServer): Promise<void> {
  for (let start = 0; start < ROWS; start += BATCH)
    await s.context.database.query(
      `INSERT INTO wma.media (id, account, media_id, kind, open_id, msg_id, text, sent_at, expires_at, closes_at, status,
         attempts, bucket, object_key, size_bytes, sha256, content_type, created_at, updated_at, archived_at)
       SELECT 'm_' || md5(n::text), $1, 'media-' || n, CASE WHEN n % 20 = 0 THEN 'voice' ELSE 'image' END,
         'o-' || n % 5000, (9000000000000000000 + n)::text,
         CASE WHEN n % 20 = 0 THEN '请问订单' || n || '什么时候发货' END,
         at, at + interval '72 h', at + interval '74 h', 'archived', 1, 'bucket', 'key-' || n, 1000,
         md5(n::text) || md5(n::text), 'image/jpeg', at, at, at
       FROM (SELECT n, now() - n * interval '5 min' AS at FROM generate_series($2::int, $3::int) AS n) AS given`,
      [PLAIN.account, start + 1, start + BATCH],
    );
}

describe('the search box', { skip: missing.chromium }, () => {
  let s: TestServer;
  let browser: Browser;
  before(async () => {
    [s, browser] = await Promise.all([openTestServer(), openBrowser()]);
    await fill(s);
    // While the rows are inserted, the embedded database keeps the event loop busy, and requests are refused.
    await eventually('requests are taken', async () => {
      const response = await s.call('/v1/stats', { key: 'read' });
      await response.body?.cancel();
      return response.status === 200;
    });
  });
  after(async () => {
    await browser?.close();
    await s.close();
  });

  const found = async (page: Page, text: string) => {
    await page.fill('#q', text);
    await page.press('#q', 'Enter');
    await page.waitForURL((url) => url.searchParams.get('q') === text);
    const ids = await page.evaluate(`[...document.querySelectorAll('#media > .card')].map(({ id }) => id)`);
    return { ids: ids as string[], count: await page.innerText('#results-title') };
  };

  it('finds one of 100,000 items by each of its ids, its digest and its text', async () => {
    const wanted = `m_${createHash('md5').update('77780').digest('hex')}`;
    const { page, close } = await openClient(browser, s);
    await page.goto(s.url);
    for (const text of [
      wanted,
      'media-77780',
      '9000000000000077780',
      createHash('md5').update('77780').digest('hex').slice(0, 12),
      '订单77780',
      '发货 77780',
    ]) {
      const { ids, count } = await found(page, text);
      assert.deepEqual(ids, [wanted], text);
      assert.equal(count, '1 media item');
    }
    assert.equal((await found(page, 'o-2780')).count, '20 media items', 'all of one user');
    assert.equal((await found(page, '发货')).count, '5,000 media items');
    await page.goto(`${s.url}/media?status=archived`);
    assert.equal(await page.innerText('#results-title'), 'More than 10,000 media items');
    await close();
  });

  it('shows a page of 24 pictures in less than 400 KB', async () => {
    for (let n = 0; n < 24; n++) {
      const { contentType, extension, chunks } = contentOf({ kind: 'image', seed: n, sizeBytes: 0 });
      const content = { body: Buffer.concat([...chunks()]), contentType, extension };
      await s.createArchived(reference({ openId: 'o-album' }), content);
    }
    const link = await s.context.store.link('x', { now: new Date(), ttlMs: 60_000 });
    const { page, problems, close } = await openClient(browser, s, {
      allowedOrigins: [new URL(link.url).origin],
    });
    let bytes = 0;
    page.on('requestfinished', (request) => {
      void request.sizes().then(({ responseBodySize, responseHeadersSize }) => {
        bytes += responseBodySize + responseHeadersSize;
      });
    });
    await page.goto(`${s.url}/media?q=o-album`);
    await page.evaluate(
      `Promise.all([...document.querySelectorAll('#media img')].map((image) => {
         image.loading = 'eager';
         return image.decode();
       }))`,
    );
    assert.equal(await page.locator('#media img').count(), 24);
    await page.waitForTimeout(500);
    assert.ok(bytes > 50_000 && bytes < PAGE_BYTES, `${bytes} bytes`);
    assert.deepEqual(problems, []);
    await close();
  });
});
