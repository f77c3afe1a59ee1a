/** Redrive, erase and export from the pages, in a real Chromium: what is shown before is what happens. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { missing } from '../../machine/services.ts';
import { openTestServer, PLAIN, reference, SAFE, type TestServer } from '../setup.ts';
import { openBrowser, openClient } from './browser.ts';
import { createClosed, createPicture, HOSTILE } from './rows.ts';

describe('acting on what is shown', { skip: missing.chromium }, () => {
  let s: TestServer;
  let browser: Browser;
  before(async () => {
    [s, browser] = await Promise.all([openTestServer(), openBrowser()]);
  });
  after(async () => {
    await browser?.close();
    await s.close();
  });

  async function withPage(
    javaScriptEnabled: boolean,
    run: (page: Page) => Promise<void>,
    expectedProblems = 0,
  ): Promise<void> {
    const client = await openClient(browser, s, { javaScriptEnabled });
    try {
      await run(client.page);
      assert.equal(client.problems.length, expectedProblems, String(client.problems));
    } finally {
      await client.close();
    }
  }
  const dryRun = (filter: object, more: object = {}) =>
    s.json<{ matched: number }>('/v1/redrives', { key: 'admin', json: { filter, dryRun: true, ...more } });
  const numberIn = (text: string) => Number(/[\d,]+/.exec(text)?.[0].replaceAll(',', ''));

  it('shows as many dead letters as the dry run of the API for the filter of the media page', async () => {
    await createClosed(s, 7, { errcode: 40007 });
    await createClosed(s, 5, { errcode: 46001 });
    await createClosed(s, 3, { errcode: 40007, account: SAFE.account });
    await createClosed(s, 2, { errcode: 40007, openId: 'o-one' });
    const { sentFrom, sentTo } = {
      sentFrom: '2020-01-01T00:00:00+08:00',
      sentTo: '2090-01-01T00:00:00+08:00',
    };
    await withPage(true, async (page) => {
      for (const [query, filter] of [
        [`account=${PLAIN.account}`, { account: PLAIN.account }],
        ['errcode=40007', { errcode: 40007 }],
        ['errcode=40007&account=school', { errcode: 40007, account: 'school' }],
        [
          'openId=o-one&kind=image&from=2020-01-01&to=2089-12-31',
          { openId: 'o-one', kind: 'image', sentFrom, sentTo },
        ],
        ['code=invalid_media_id', { code: 'invalid_media_id' }],
      ] as const) {
        // The media page has no filter for failures without an errcode; the page of dead letters leads here.
        const start = query.startsWith('code=') ? '/redrive' : '/media';
        await page.goto(`${s.url}${start}?${query}`);
        if (start === '/media') await page.getByRole('link', { name: 'Redrive…', exact: true }).click();
        await page.locator('#preview-title').waitFor();
        const { matched } = await dryRun({ ...filter, status: 'dead' });
        assert.ok(matched > 0);
        assert.equal(numberIn(await page.innerText('#preview-title')), matched, query);
      }
    });
  });

  for (const javaScriptEnabled of [true, false])
    it(`redrives, shows the progress, and stops ${javaScriptEnabled ? 'with' : 'without'} scripts`, async () => {
      await createClosed(s, 12, { errcode: 43004 });
      await withPage(javaScriptEnabled, async (page) => {
        await page.goto(`${s.url}/dead-letters`);
        await page.getByRole('link', { name: 'Redrive…: 43004' }).click();
        assert.equal(numberIn(await page.innerText('#preview-title')), 12);
        assert.match(await page.innerText('#f-reason-hint'), /no personal data/);
        await page.fill('#f-reason', HOSTILE);
        await page.fill('#f-rate', '1');
        await page.getByRole('button', { name: 'Redrive', exact: true }).click();
        await page.waitForURL(/\/redrives\/r_/);
        await page.getByText('12 media items are being redriven.').waitFor();
        const id = new URL(page.url()).pathname.split('/').at(-1) as string;
        const text = await page.innerText('#redrive');
        assert.match(text, /running[\s\S]*of 12 redriven/);
        assert.match(text, /<b class=owned>x<\/b>U\+202Ecba/);
        await page.getByRole('button', { name: 'Stop' }).click();
        await page.getByText('The redrive is stopped.').waitFor();
        const stopped = await s.json<{ state: string; actor: string; filter: object }>(`/v1/redrives/${id}`, {
          key: 'admin',
        });
        assert.equal(stopped.state, 'stopped');
        assert.deepEqual(stopped.filter, {
          status: ['dead'],
          account: [PLAIN.account],
          errcode: [43004],
        });
        await page.goto(`${s.url}/dead-letters`);
        assert.match(await page.innerText(`#${id}`), /stopped[\s\S]*of 12 redriven/);
        // The next round starts from none.
        await s.context.database.query(`DELETE FROM wma.media WHERE errcode = 43004`);
      });
    });

  it('redrives expired items only when asked to, and at most as many as asked for', async () => {
    await createClosed(s, 6, { status: 'expired', account: SAFE.account, errcode: 40005 });
    await withPage(true, async (page) => {
      await page.goto(`${s.url}/redrive?account=school&errcode=40005`);
      assert.equal(numberIn(await page.innerText('#preview-title')), 6);
      await page.getByRole('button', { name: 'Redrive', exact: true }).click();
      assert.match(page.url(), /\/redrive\?/, 'the browser asks for the tick first');
      await page.getByRole('checkbox').check();
      await page.fill('#f-limit', '4');
      await page.getByRole('button', { name: 'Redrive', exact: true }).click();
      await page.waitForURL(/\/redrives\/r_/);
      assert.match(await page.innerText('#redrive'), /of 4 redriven/);
    });
  });

  it('shows a refused form again, with what was typed', async () => {
    await createClosed(s, 1, { errcode: 43005, openId: 'o-in-reason' });
    await withPage(
      true,
      async (page) => {
        await page.goto(`${s.url}/redrive?openId=o-in-reason`);
        await page.fill('#f-reason', 'asked for by o-in-reason');
        await page.fill('#f-rate', '7');
        await page.getByRole('button', { name: 'Redrive', exact: true }).click();
        await page.getByRole('alert').getByText('openId').first().waitFor();
        assert.equal(await page.inputValue('#f-reason'), 'asked for by o-in-reason');
        assert.equal(await page.inputValue('#f-rate'), '7');
      },
      1,
    );
  });

  it('never acts on more than the filters say', async () => {
    await createClosed(s, 1);
    for (const query of ['label=nothing', 'errcode=abc', 'due=soon'])
      for (const path of ['/redrive', '/erase', '/export']) {
        const response = await s.call(`${path}?${query}`, { key: 'admin' });
        assert.equal(response.status, 400, `${path}?${query}`);
      }
  });

  for (const javaScriptEnabled of [true, false])
    it(`erases everything of a user ${javaScriptEnabled ? 'with' : 'without'} scripts, with proof`, async () => {
      const openId = `o-user-${javaScriptEnabled}`;
      const picture = await createPicture(s, openId);
      const [dead] = await createClosed(s, 1, { openId });
      const other = await createPicture(s, 'o-other');
      const { objectKey } = (await s.context.catalogue.media.get(picture)) ?? {};
      await withPage(
        javaScriptEnabled,
        async (page) => {
          await page.goto(`${s.url}/erasures`);
          await page.getByRole('link', { name: 'Erase…' }).click();
          await page.selectOption('#f-account', PLAIN.account);
          await page.fill('#f-openId', openId);
          await page.getByRole('button', { name: 'Show how many' }).click();
          await page.getByRole('heading', { name: '2 media items will be erased' }).waitFor();
          await page.fill('#f-reason', 'request of the user');
          await page.fill('#f-confirm', '3');
          await page.getByRole('button', { name: 'Erase for good' }).click();
          await page.getByText('This is not the number').waitFor();
          assert.notEqual((await s.context.catalogue.media.get(picture))?.status, 'erased');
          assert.equal(await page.inputValue('#f-reason'), 'request of the user');
          await page.fill('#f-confirm', '2');
          await page.getByRole('button', { name: 'Erase for good' }).click();
          await page.waitForURL(/\/erasures\/e_/);
          await page.getByText('The erasure has begun.').waitFor();
          assert.match(await page.innerText('#proof'), /All 2 media items are erased/);
          assert.doesNotMatch(await page.content(), new RegExp(openId), 'the openId is gone');
        },
        1,
      );
      for (const id of [picture, dead])
        assert.equal((await s.context.catalogue.media.get(id as string))?.status, 'erased');
      assert.equal(await s.context.store.head(objectKey as string, AbortSignal.timeout(5_000)), undefined);
      assert.equal((await s.context.catalogue.media.get(other))?.status, 'archived');
    });

  it('asks again when the number of items has changed since it was shown', async () => {
    await createClosed(s, 2, { errcode: 43006 });
    await withPage(
      true,
      async (page) => {
        await page.goto(`${s.url}/erase?errcode=43006`);
        await createClosed(s, 1, { errcode: 43006 });
        await page.fill('#f-confirm', '2');
        await page.getByRole('button', { name: 'Erase for good' }).click();
        await page.getByText('3 media items match now').waitFor();
        await page.fill('#f-confirm', '3');
        await page.getByRole('button', { name: 'Erase for good' }).click();
        await page.waitForURL(/\/erasures/);
        const { matched } = await dryRun({ errcode: 43006 });
        assert.equal(matched, 0);
      },
      1,
    );
  });

  it('downloads the files of a filter as a ZIP, without scripts', async () => {
    await createPicture(s, 'o-zip');
    await s.context.accept([reference({ openId: 'o-zip' })]);
    await withPage(false, async (page) => {
      await page.goto(`${s.url}/export?openId=o-zip`);
      assert.match(await page.innerText('#preview-title'), /^1 files, /);
      assert.match(await page.innerText('#preview'), /1 others have no file/);
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Download' }).click();
      const file = await download;
      assert.match(file.suggestedFilename(), /\.zip$/);
      const chunks: Buffer[] = [];
      for await (const chunk of await file.createReadStream()) chunks.push(chunk as Buffer);
      const zip = Buffer.concat(chunks);
      assert.equal(zip.subarray(0, 2).toString(), 'PK');
      assert.ok(zip.includes('PK\x05\x06'), 'its end is there');
    });
    const { items } = await s.json<{ items: { action: string }[] }>('/v1/audit-log', { key: 'admin' });
    assert.ok(items.some(({ action }) => action === 'export'));
  });
});
