/** The overview and the state line in a real Chromium: the truth on top, live updates, and what ends them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { CHECK_CODES } from '../../../src/pipeline/checks/table.ts';
import { missing } from '../../machine/services.ts';
import { openTestServer, PLAIN, reference, type TestServer } from '../setup.ts';
import { axeViolations, openBrowser, openClient, overflow } from './browser.ts';
import { createClosed, createPicture, fill } from './rows.ts';

describe('the overview', { skip: missing.chromium }, () => {
  let s: TestServer;
  let browser: Browser;
  let allowedOrigins: string[];

  before(async () => {
    [s, browser] = await Promise.all([openTestServer(), openBrowser()]);
    const link = await s.context.store.link('x', { now: new Date(), ttlMs: 60_000 });
    allowedOrigins = [new URL(link.url).origin];
  });
  after(async () => {
    await browser?.close();
    await s.close();
  });
  const state = (page: Page) => page.locator('#state');

  it('says that all is well only while nothing is wrong, and follows an expired item until it is acknowledged', async () => {
    const { page, problems, close } = await openClient(browser, s, { allowedOrigins });
    await page.goto(s.url);
    await state(page).getByText('All is well').waitFor();
    await createClosed(s, 1, { status: 'expired' });
    await state(page)
      .getByText(/expired/)
      .waitFor();
    assert.equal(await state(page).getAttribute('data-tone'), 'bad');
    await page.reload();
    await page.locator('#holds button:has-text("Mark as seen")').first().click();
    await page.waitForSelector('#notice');
    await page.goto(s.url);
    await state(page).getByText('All is well').waitFor();
    const log = await s.json<{ items: { action: string; actor: string }[] }>(
      '/v1/audit-log?action=acknowledge',
      {
        key: 'admin',
      },
    );
    assert.equal(log.items.length, 1);
    assert.deepEqual(problems, []);
    await close();
  });

  it('shows new items without a reload, and leaves the focus where it is', async () => {
    const { page, problems, close } = await openClient(browser, s, { allowedOrigins });
    await page.goto(`${s.url}/media`);
    await page.focus('#q');
    await page.keyboard.type('half a wo');
    const id = await createPicture(s, 'o-new');
    await page.waitForSelector(`[id="${id}"]`);
    assert.equal(await page.inputValue('#q'), 'half a wo');
    assert.equal(await page.evaluate('document.activeElement.id'), 'q');
    await page.click('#pause');
    assert.equal(await page.getAttribute('#pause', 'aria-pressed'), 'true');
    assert.deepEqual(problems, []);
    await close();
  });

  it('uses less than 200 KB in five idle minutes, measured over twenty seconds', async () => {
    const { page, close } = await openClient(browser, s, { allowedOrigins });
    await page.goto(s.url);
    await page.waitForTimeout(6_000);
    let bytes = 0;
    page.on('response', async (response) => {
      const sizes = await response
        .request()
        .sizes()
        .catch(() => undefined);
      bytes += (sizes?.responseBodySize ?? 0) + (sizes?.responseHeadersSize ?? 0);
    });
    await page.waitForTimeout(20_000);
    assert.ok(bytes < (200 * 1024 * 20) / 300, `${bytes} bytes in 20 s`);
    await close();
  });

  it('stops when the session has ended elsewhere, says why, and leads back after the sign-in', async () => {
    const { page, context, close } = await openClient(browser, s, { allowedOrigins });
    await page.goto(`${s.url}/media?view=list`);
    const [cookie] = (await context.cookies()).filter(({ name }) => name === 'wma_session');
    await fetch(`${s.url}/logout`, {
      method: 'POST',
      headers: { cookie: `wma_session=${cookie?.value}` },
      redirect: 'manual',
    });
    await createPicture(s, 'o-after');
    await page.locator('#connection:has-text("The session has ended")').waitFor();
    await page.click('#connection a');
    await page.waitForSelector('#key');
    assert.match(await page.innerText('[role=alert]'), /session has ended/);
    await page.fill('#key', 'admin-secret-0123456789');
    await page.press('#key', 'Enter');
    await page.waitForSelector('#results');
    assert.equal(page.url(), `${s.url}/media?view=list`);
    await close();
  });

  it('has tiles and bars that lead to their lists, and charts with the numbers of the tables behind them', async () => {
    await fill(s);
    await s.context.accept([reference({ account: PLAIN.account })]);
    const { page, problems, close } = await openClient(browser, s, { allowedOrigins });
    await page.goto(s.url);
    const links = (await page.evaluate(
      `[...document.querySelectorAll('.tile, .bar, #causes a, #holds a')].map(({ href }) => href)`,
    )) as string[];
    assert.ok(links.length > 10);
    for (const address of links) {
      const response = await s.call(new URL(address).pathname + new URL(address).search, { key: 'admin' });
      assert.equal(response.status, 200, address);
    }
    await page.waitForSelector('#chart-outcomes canvas');
    const received = await page.evaluate(
      `[...document.querySelectorAll('#chart-outcomes .table-box td:nth-child(2) data')]
         .reduce((sum, { value }) => sum + Number(value), 0)`,
    );
    const history = await s.json<{ points: { received: number }[] }>('/v1/stats/history?from=24h&step=30m', {
      key: 'admin',
    });
    assert.equal(
      received,
      history.points.reduce((sum, point) => sum + point.received, 0),
    );
    await page.click('a.filter:has-text("7 days")');
    await page.waitForURL(/range=7d/);
    assert.deepEqual(problems, []);
    await close();
  });

  for (const language of ['en', 'zh'] as const)
    it(`has no violation of axe in ${language === 'en' ? 'English' : 'Chinese'}, and fits a phone`, async () => {
      const { page, close } = await openClient(browser, s, { allowedOrigins, language });
      await page.goto(s.url);
      await page.waitForSelector('#chart-outcomes canvas');
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await axeViolations(page), [], colorScheme);
      }
      await page.setViewportSize({ width: 390, height: 800 });
      await page.reload();
      assert.equal(await overflow(page), 0);
      await close();
    });

  it('names the language and the time zone that a user chose, on every page', async () => {
    const { page, close } = await openClient(browser, s, { allowedOrigins });
    await page.goto(`${s.url}/media`);
    await page.click('button[name=language]');
    await page.waitForSelector('html[lang=zh-CN]');
    assert.equal(page.url(), `${s.url}/media`);
    await page
      .context()
      .request.post(`${s.url}/preferences`, { form: { timeZone: 'Europe/Berlin', next: '/' } });
    await page.reload();
    assert.match(await page.innerText('footer'), /Europe\/Berlin/);
    await close();
  });

  it('offers to release the store to keys of all accounts only', async () => {
    const { storeHold } = s.context.catalogue;
    const now = new Date();
    await storeHold.takeProbe('a', now, now);
    await storeHold.probeFailed('a', now, { code: 'store_refused', class: 'store' }, now);
    for (const [key, forms] of [
      ['admin', 1],
      ['schoolAdmin', 0],
    ] as const) {
      const { page, close } = await openClient(browser, s, { allowedOrigins, key });
      await page.goto(s.url);
      await page.locator('#holds :text("All archiving is on hold.")').waitFor();
      assert.equal(await page.locator('#holds form[action="/alerts/release-store"]').count(), forms, key);
      await close();
    }
    await storeHold.takeProbe('a', now, now);
    await storeHold.probeSucceeded('a', now, now);
  });

  it('leads every finding of the list of checks to a page', async () => {
    const { pageOfFinding } = await import('../../../src/server/dashboard/components/state-line.ts');
    for (const code of CHECK_CODES) {
      const address = pageOfFinding({ code, account: PLAIN.account });
      const response = await s.call(address.split('#')[0] ?? '', { key: 'admin' });
      assert.equal(response.status, 200, `${code}: ${address}`);
    }
  });

  it('is refused to a form of another site', async () => {
    const response = await s.call('/alerts/test', {
      method: 'POST',
      key: undefined,
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example' },
    });
    assert.equal(response.status, 401);
  });
});
