/** The pages of operations in a real Chromium: how they look in both languages, and what they offer to whom. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { missing } from '../../machine/services.ts';
import { eventually } from '../../queue/handled.ts';
import { KEYS, openTestServer, PLAIN, reference, SAFE, type TestServer } from '../setup.ts';
import {
  axeViolations,
  type Client,
  type ClientOptions,
  openBrowser,
  overflow,
  withClient,
} from './browser.ts';
import { createPicture, fill, HOSTILE, hold } from './rows.ts';

describe('the pages of operations', { skip: missing.chromium }, () => {
  let s: TestServer;
  let browser: Browser;
  /** Every page, with ids of things that exist. */
  let pages: string[];

  before(async () => {
    [s, browser] = await Promise.all([openTestServer(), openBrowser()]);
    await fill(s);
    const redrive = await s.json<{ id: string }>(
      '/v1/redrives',
      { key: 'admin', json: { filter: { account: SAFE.account }, rate: 1, reason: HOSTILE } },
      202,
    );
    const picture = await createPicture(s, 'o-erased');
    const erasure = await s.json<{ id: string }>('/v1/erasures', {
      key: 'admin',
      json: { account: PLAIN.account, ids: [picture], reason: HOSTILE },
    });
    const verification = await s.json<{ id: string }>(
      '/v1/verifications',
      { key: 'admin', json: { kind: 'verify', sample: 5, reason: HOSTILE } },
      202,
    );
    const webhook = await s.json<{ id: string }>(
      '/v1/webhooks',
      {
        key: 'admin',
        json: { url: 'https://example.com/hook', description: HOSTILE, accounts: [PLAIN.account] },
      },
      201,
    );
    await s.createDead(reference());
    while ((await s.context.catalogue.events.sequence()).hasMore);
    await s.context.catalogue.webhooks.fanOut(s.context.clock.now());
    pages = [
      '/dead-letters',
      '/redrive',
      `/redrive?account=${PLAIN.account}&errcode=40007&from=2020-01-01`,
      `/redrives/${redrive.id}`,
      '/erase',
      `/erase?account=${PLAIN.account}&openId=o-sender`,
      '/erasures',
      `/erasures/${erasure.id}`,
      `/export?account=${PLAIN.account}`,
      '/accounts',
      `/accounts/${PLAIN.account}/hold`,
      '/alerts',
      '/audit-log',
      '/audit-log?actor=admin&action=erase&from=2020-01-01',
      '/settings',
      '/settings?unknownZone=Mars/Olympus',
      `/verifications/${verification.id}`,
      '/webhooks',
      '/webhooks/new',
      `/webhooks/${webhook.id}`,
      `/webhooks/${webhook.id}/change`,
      `/webhooks/${webhook.id}/delete`,
    ];
  });
  after(async () => {
    await browser?.close();
    await s.close();
  });

  const inClient = (options: ClientOptions, run: (client: Client) => Promise<void>): Promise<void> =>
    withClient(browser, s, options, run);

  for (const language of ['en', 'zh'] as const) {
    it(`have no violation of axe in ${language === 'en' ? 'English' : 'Chinese'}, light and dark`, async () => {
      await inClient({ language }, async ({ page }) => {
        for (const address of pages) {
          const response = await page.goto(s.url + address);
          assert.equal(response?.status(), 200, address);
          assert.equal(await page.getAttribute('html', 'lang'), language === 'en' ? 'en' : 'zh-CN');
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme });
            assert.deepEqual(await axeViolations(page), [], `${address} in ${colorScheme}`);
          }
        }
      });
    });
  }

  it('fit a phone and a window at 200 % zoom', async () => {
    for (const width of [390, 640])
      await inClient({ width, language: width === 390 ? 'zh' : 'en' }, async ({ page }) => {
        for (const address of pages) {
          await page.goto(s.url + address);
          assert.equal(await overflow(page), 0, `${address} at ${width} px`);
        }
      });
  });

  it('show hostile texts as texts, and their direction marks by name', async () => {
    await inClient({}, async ({ page }) => {
      for (const address of pages) {
        await page.goto(s.url + address);
        assert.equal(await page.locator('.owned').count(), 0, address);
        const text = await page.locator('body').textContent();
        assert.doesNotMatch(text ?? '', /\u202e/, address);
      }
      await page.goto(`${s.url}/accounts`);
      assert.match(await page.innerText(`#${SAFE.account}`), /"><b class=owned>x<\/b>U\+202Ecba/);
    });
  });

  it('offer nothing that the key does not allow', async () => {
    const shared = /^\/(settings|verifications)/;
    for (const [key, isAdmin] of [
      ['read', false],
      ['schoolRead', false],
      ['schoolAdmin', true],
    ] as const)
      await inClient({ key }, async ({ page }) => {
        let offered = 0;
        for (const address of [
          '/dead-letters',
          '/accounts',
          '/alerts',
          '/webhooks',
          '/audit-log',
          '/settings',
        ]) {
          const response = await page.goto(s.url + address);
          assert.equal(response?.status(), 200, address);
          const forms = await page
            .locator('main form[method=post]')
            .evaluateAll((list) => list.map((form) => (form as unknown as { action: string }).action));
          const actions = forms
            .map((action) => new URL(action).pathname)
            .filter((path) => path !== '/preferences');
          if (!isAdmin) assert.deepEqual(actions, [], `${key} at ${address}`);
          else
            assert.ok(
              !actions.some((path) => shared.test(path) || /test|store|wx0000000000000001/.test(path)),
            );
          const links = await page
            .locator('main a[href^="/"]')
            .evaluateAll((list) => list.map((link) => link.getAttribute('href') ?? ''));
          for (const link of new Set(links.filter((href) => !href.startsWith('/media')))) {
            const { status } = await s.call(link, { key });
            assert.equal(status, 200, `${key} follows ${link} of ${address}`);
          }
          offered += actions.length;
        }
        assert.equal(offered > 0, isAdmin);
      });
  });

  it('show a key that is bound to accounts only these', async () => {
    await inClient({ key: 'schoolAdmin' }, async ({ page }) => {
      for (const address of ['/dead-letters', '/accounts', '/redrive', '/erase', '/audit-log']) {
        await page.goto(s.url + address);
        assert.doesNotMatch(await page.innerText('main'), /\bshop\b|wx0000000000000001/, address);
      }
    });
  });

  it('hold an account for an hour and release it, with the keyboard alone', async () => {
    await inClient({}, async ({ page }) => {
      await page.goto(`${s.url}/accounts`);
      await page.getByRole('link', { name: 'Hold…: shop' }).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Hold account shop' }).waitFor();
      await page.getByRole('radio', { name: '1 hour', exact: true }).focus();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowUp');
      // Through the field of the time, which has several parts, to the reason.
      for (let presses = 0; presses < 12; presses++) {
        await page.keyboard.press('Tab');
        if ((await page.evaluate('document.activeElement.id')) === 'f-reason') break;
      }
      await page.keyboard.type('maintenance of the shop');
      await page.keyboard.press('Enter');
      await page.getByText('Account shop is held.').waitFor();
      assert.equal(new URL(page.url()).hash, `#${PLAIN.account}`);
      const { items } = await s.json<{ items: { account: string; hold: { until: string } | null }[] }>(
        '/v1/accounts',
        { key: 'admin' },
      );
      const until = items.find(({ account }) => account === PLAIN.account)?.hold?.until;
      const minutes = (Date.parse(until ?? '') - Date.now()) / 60_000;
      assert.ok(minutes > 55 && minutes <= 60, String(until));
      await page.getByRole('button', { name: 'Release: shop' }).press('Enter');
      await page.getByText('Account shop is released.').waitFor();
      assert.equal(await page.getByRole('button', { name: 'Release: shop' }).count(), 0);
    });
  });

  it('hold an account until a time of the page’s time zone', async () => {
    await inClient({}, async ({ page, problems }) => {
      await page.goto(`${s.url}/accounts/${PLAIN.account}/hold`);
      await page.getByRole('radio', { name: 'Until a time' }).check();
      await page.fill('#f-reason', 'until New Year');
      await page.getByRole('button', { name: 'Hold' }).click();
      await page.getByText('Enter date and time of the end.').waitFor();
      assert.equal(await page.inputValue('#f-reason'), 'until New Year', 'what was typed is kept');
      // The browser reports the status of the page.
      assert.equal(problems.splice(0).length, 1);
      await page.fill('#f-until', '2099-01-01T08:00');
      await page.getByRole('button', { name: 'Hold' }).click();
      await page.getByText('Account shop is held.').waitFor();
      const state = (await s.context.catalogue.accounts.list()).find(
        ({ account }) => account === PLAIN.account,
      );
      assert.equal(state?.heldUntil?.toISOString(), '2099-01-01T00:00:00.000Z');
      await page.getByRole('button', { name: 'Release: shop' }).click();
      await page.getByText('Account shop is released.').waitFor();
    });
  });

  it('hold and release an account without scripts', async () => {
    await inClient({ javaScriptEnabled: false }, async ({ page }) => {
      await page.goto(`${s.url}/accounts`);
      await page.getByRole('link', { name: 'Hold…: shop' }).click();
      await page.getByRole('radio', { name: 'Until it is released' }).check();
      await page.fill('#f-reason', HOSTILE);
      await page.getByRole('button', { name: 'Hold' }).click();
      await page.getByText('Account shop is held.').waitFor();
      assert.match(await page.innerText(`#${PLAIN.account}`), /until it is released/);
      await page.getByRole('button', { name: 'Release: shop' }).click();
      await page.getByText('Account shop is released.').waitFor();
    });
  });

  it('lead from a finding about an account to its section', async () => {
    await hold(s, SAFE.account);
    await inClient({}, async ({ page }) => {
      await eventually('the hold is found', async () => {
        await page.goto(`${s.url}/alerts`);
        return (await page.getByText('Account school is held').count()) > 0;
      });
      await page.getByRole('link', { name: /See it: .*school/ }).click();
      await page.waitForURL(/\/accounts#/);
      const target = decodeURIComponent(new URL(page.url()).hash.slice(1));
      assert.equal(
        await page.locator(`#${SAFE.account} [id="${target}"], #${SAFE.account}[id="${target}"]`).count(),
        1,
      );
    });
  });

  it('check an account now, say why WeChat refuses it, and count callbacks by day', async () => {
    await inClient({ javaScriptEnabled: false }, async ({ page, problems }) => {
      await page.goto(`${s.url}/accounts`);
      const shop = page.locator(`#${PLAIN.account}`);
      await shop.locator('summary', { hasText: 'Earlier days' }).waitFor();
      const today = new Date().toISOString().slice(0, 10);
      // The counter writes its counts every two seconds.
      await eventually('the callback of today is counted', async () => {
        await page.reload();
        return /\s1\s+1$/.test(await shop.locator('tr', { hasText: today }).innerText());
      });
      await page.getByRole('button', { name: 'Check now: shop' }).click();
      await page.getByRole('alert').getByText('shop: ').waitFor();
      await page.getByRole('button', { name: 'Check now: shop' }).click();
      await page.getByRole('alert').getByText('Too many requests').waitFor();
      // The browser reports the status of the page.
      assert.equal(problems.splice(0).length, 1);
      await page.goto(`${s.url}/audit-log?action=account.check`);
      assert.match(await page.innerText('#entries'), /Check an account\s+shop/);
    });
  });

  it('acknowledge dead letters of an account', async () => {
    await inClient({}, async ({ page }) => {
      await page.goto(`${s.url}/dead-letters`);
      await page.getByRole('button', { name: 'Mark as seen: shop' }).click();
      await page.getByText('Acknowledged. It is in the audit log.').waitFor();
      await page.goto(`${s.url}/audit-log?action=acknowledge`);
      assert.match(await page.innerText('#entries'), /shop/);
    });
  });

  it('say why a test alert cannot be sent', async () => {
    await inClient({}, async ({ page, problems }) => {
      await page.goto(`${s.url}/alerts`);
      await page.getByRole('button', { name: 'Send a test alert' }).click();
      await page.getByRole('alert').getByText('ALERT_URL').waitFor();
      // The browser reports the status of the page.
      assert.equal(problems.splice(0).length, 1);
    });
  });

  it('test the store, and show what was found', async () => {
    await inClient({}, async ({ page }) => {
      await page.goto(`${s.url}/settings`);
      await page.getByRole('button', { name: 'Test the store' }).click();
      await page.getByRole('heading', { name: 'Result of the test' }).waitFor();
      assert.match(await page.locator('#store table').innerText(), /store\s+passed/);
    });
  });

  it('start and stop a verification', async () => {
    await inClient({ javaScriptEnabled: false }, async ({ page }) => {
      await page.goto(`${s.url}/settings`);
      await page.getByRole('radio', { name: 'Every archived media item, by its bytes' }).check();
      await page.getByRole('button', { name: 'Start' }).click();
      await page.waitForURL(/\/verifications\/v_/);
      assert.match(await page.innerText('#verification'), /waiting|running/);
      await page.getByRole('button', { name: 'Stop' }).click();
      await page.getByText('stopped').waitFor();
    });
  });

  it('keep language and time zone, and say which time zone is unknown', async () => {
    await inClient({ javaScriptEnabled: false }, async ({ page }) => {
      await page.goto(`${s.url}/settings`);
      await page.fill('#f-otherTimeZone', 'Mars/Olympus');
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByText('This is not the name of a time zone.').waitFor();
      assert.equal(await page.inputValue('#f-otherTimeZone'), 'Mars/Olympus');
      await page.fill('#f-otherTimeZone', 'America/Sao_Paulo');
      await page.selectOption('#f-language', 'zh');
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByText('已保存。').waitFor();
      assert.match(await page.innerText('footer'), /America\/Sao_Paulo/);
    });
  });

  it('filter the audit log by their address, and lead to what an entry is about', async () => {
    await inClient({}, async ({ page }) => {
      await page.goto(`${s.url}/audit-log`);
      await page.selectOption('#f-action', 'hold');
      await page.getByRole('button', { name: 'Show' }).click();
      await page.waitForURL(/action=hold/);
      const actions = await page.locator('#entries tbody td:nth-child(3)').allInnerTexts();
      assert.ok(actions.length > 0 && actions.every((action) => action === 'Hold'), String(actions));
      await page.getByRole('link', { name: 'shop' }).first().click();
      await page.waitForURL(`**/accounts#${PLAIN.account}`);
    });
  });

  it('refuse a form that is sent from a page of another site', async () => {
    const login = await s.call('/login', {
      body: new URLSearchParams({ key: KEYS.admin }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    const cookie = login.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const response = await s.call(`/accounts/${PLAIN.account}/release`, {
      method: 'POST',
      headers: { cookie, origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' },
    });
    assert.equal(response.status, 403);
  });
});
