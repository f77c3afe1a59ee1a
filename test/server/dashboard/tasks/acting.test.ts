/** The tasks of an operator that change something, in a real Chromium. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { missing } from '../../../machine/services.ts';
import { eventually } from '../../../queue/handled.ts';
import { PLAIN } from '../../setup.ts';
import { idsOf } from './cards.ts';
import { plusDays, timeOn } from './days.ts';
import { ADMIN, type Desk, numberIn, open, openDesk, search, task } from './operator.ts';

describe('an operator who acts', { skip: missing.chromium }, () => {
  let desk: Desk;
  before(async () => {
    desk = await openDesk();
  });
  after(() => desk?.close());

  task(
    'Redrive last week’s 40007 of one account',
    () => desk,
    async (operator, seed) => {
      const { page, click, type } = operator;
      const { s, lastWeek } = seed;
      await click(
        page
          .locator('#causes tr')
          .filter({ hasText: 'shop' })
          .filter({ hasText: '40007' })
          .getByRole('link')
          .first(),
      );
      await page.waitForURL(/errcode=40007/);
      await type(page.getByLabel('From day'), lastWeek.monday);
      await type(page.getByLabel('To day'), lastWeek.sunday);
      await click(page.getByRole('button', { name: 'Show', exact: true }));
      await page.waitForURL(/from=/);
      await click(page.getByRole('link', { name: 'Redrive…', exact: true }));
      const { matched } = await s.json<{ matched: number }>('/v1/redrives', {
        key: 'admin',
        json: {
          filter: {
            account: 'shop',
            errcode: 40007,
            sentFrom: timeOn(lastWeek.monday, '00:00').toISOString(),
            sentTo: timeOn(plusDays(lastWeek.sunday, 1), '00:00').toISOString(),
          },
          dryRun: true,
        },
      });
      assert.equal(matched, 5);
      assert.equal(numberIn(await page.innerText('#preview-title')), matched);
      await type(page.getByLabel('Reason'), 'the access token was that of another account');
      await click(page.getByRole('button', { name: 'Redrive', exact: true }));
      await page.getByText('5 media items are being redriven.').waitFor();
      await page.getByText('5 of 5 redriven').waitFor();
      const { items } = await s.json<{ items: { status: string }[] }>(
        `/v1/media?account=shop&errcode=40007&status=dead`,
        { key: 'read' },
      );
      assert.equal(items.length, 7, 'those of other weeks stay');
    },
  );

  task(
    'Hold an account for an hour',
    () => desk,
    async (operator, { s }) => {
      const { page, click, type } = operator;
      await open(operator, 'Accounts');
      await click(page.getByRole('link', { name: 'Hold…: shop' }));
      await type(page.getByLabel('Reason'), 'the shop changes its IP allow-list');
      await click(page.getByRole('button', { name: 'Hold', exact: true }));
      await page.getByText('Account shop is held.').waitFor();
      const { items } = await s.json<{ items: { account: string; hold: { until: string } | null }[] }>(
        '/v1/accounts',
        { key: 'read' },
      );
      const until = items.find(({ account }) => account === PLAIN.account)?.hold?.until ?? '';
      const minutes = (Date.parse(until) - Date.now()) / 60_000;
      assert.ok(minutes > 50 && minutes <= 60, until);
    },
  );

  task(
    'Make a link that ends in a day',
    () => desk,
    async (operator, { s, customer }) => {
      const { page, click } = operator;
      await search(operator, customer);
      const [id = ''] = await idsOf(page);
      await click(page.locator(`#${id} .name a`));
      await page.waitForURL(`**/media/${id}`);
      assert.equal(await page.getByLabel('Valid for').inputValue(), '1d', 'the usual choice');
      await click(page.getByRole('button', { name: 'Make a link' }));
      const link = await page.getByLabel('Link', { exact: true }).inputValue();
      const seconds = Number(new URL(link).searchParams.get('X-Amz-Expires'));
      assert.ok(seconds >= 85_000 && seconds <= 86_400, String(seconds));
      const response = await fetch(link);
      const { sizeBytes } = (await s.context.catalogue.media.get(id)) ?? {};
      assert.deepEqual([response.status, (await response.arrayBuffer()).byteLength], [200, sizeBytes]);
    },
  );

  task(
    'Erase everything of a user, with proof',
    () => desk,
    async (operator, { s, leaving }) => {
      const { page, click, type } = operator;
      const { items } = await s.json<{ items: { id: string }[] }>(`/v1/media?openId=${leaving}`, {
        key: 'read',
      });
      await search(operator, leaving);
      await click(page.getByRole('link', { name: 'Erase…' }));
      await page.getByRole('heading', { name: `${items.length} media items will be erased` }).waitFor();
      await type(page.getByLabel('Reason'), 'request of the user');
      await type(page.getByLabel('Type 3 to confirm'), '3');
      await click(page.getByRole('button', { name: 'Erase for good' }));
      await page.waitForURL(/\/erasures\/e_/);
      await page.getByText('All 3 media items are erased').waitFor();
      assert.match(
        await page.innerText('#proof'),
        new RegExp(`no file and no personal data is left\\. Requested by ${ADMIN}`),
      );
      assert.doesNotMatch(await page.content(), new RegExp(leaving));
      for (const { id } of items) assert.equal((await s.context.catalogue.media.get(id))?.status, 'erased');
    },
  );

  task(
    'Compare the rows with the bucket',
    () => desk,
    async (operator, { s, damaged }) => {
      const { page, click } = operator;
      await open(operator, 'Settings');
      await click(page.getByRole('radio', { name: 'Rows and bucket in both directions' }));
      await click(page.getByRole('button', { name: 'Start', exact: true }));
      await page.waitForURL(/\/verifications\/v_/);
      const id = page.url().split('/').at(-1);
      await eventually(
        'the verification ends',
        async () => (await s.json(`/v1/verifications/${id}`, { key: 'read' })).state === 'done',
        60_000,
      );
      // The page follows without being asked again.
      await page.locator('#verification').getByText('done', { exact: true }).waitFor();
      assert.match(await page.innerText('#findings'), new RegExp(damaged));
    },
  );
});
