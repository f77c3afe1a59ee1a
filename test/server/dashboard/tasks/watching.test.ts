/** The tasks of an operator that are about the state of the service, in a real Chromium. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { missing } from '../../../machine/services.ts';
import { KEYS } from '../../setup.ts';
import { type Desk, numberIn, open, openDesk, task } from './operator.ts';

describe('an operator who watches the service', { skip: missing.chromium }, () => {
  let desk: Desk;
  before(async () => {
    desk = await openDesk();
  });
  after(() => desk?.close());

  task(
    'Say which account needs attention and why',
    () => desk,
    async ({ page }) => {
      const held = page.locator('#holds li').filter({ hasText: 'school' });
      assert.match(await held.innerText(), /school is on hold\..*40164|school is on hold\..*IP/s);
      assert.match(await held.innerText(), /allow-list/, 'and what to do');
    },
  );

  task(
    'Say whether we keep up over 24 hours',
    () => desk,
    async ({ page }, { s }) => {
      const from = new Date(Date.now() - 86_400_000).toISOString();
      const { points } = await s.json<{ points: Record<string, number>[] }>(
        `/v1/stats/history?from=${from}&step=30m`,
        { key: 'read' },
      );
      const received = points.reduce((sum, point) => sum + point.received!, 0);
      assert.ok(received > 1_000);
      const summary = await page.innerText('#charts .sums');
      const shown = numberIn(/[\d,]+ received/.exec(summary)?.[0] ?? '');
      assert.ok(Math.abs(shown - received) <= 30, `${summary}, of ${received}`);
      assert.match(summary, /[\d,]+ archived · [\d,]+ dead · [\d,]+ expired/);
      assert.match(summary, /backlog: [\d,]+ → [\d,]+/);
      assert.equal(await page.locator('#chart-outcomes canvas').count(), 1, 'and drawn');
    },
  );

  task(
    'See which workers are alive',
    () => desk,
    async ({ page }, { s }) => {
      const rows = await page.locator('#parts tbody tr').allInnerTexts();
      assert.match(rows.find((row) => row.includes(s.context.process)) ?? '', /alive/);
      assert.match(
        rows.find((row) => row.includes('worker-2 (worker, 811)')) ?? '',
        /last seen \d+ min\. ago/,
      );
    },
  );

  task(
    'Say whether the store is all right',
    () => desk,
    async (operator) => {
      const { page, click } = operator;
      await open(operator, 'Settings');
      await click(page.getByRole('button', { name: 'Test the store' }));
      await page.getByRole('heading', { name: 'Result of the test' }).waitFor();
      assert.match(await page.locator('#store table').innerText(), /store\s+passed/);
    },
  );

  task(
    'See which callbacks came',
    () => desk,
    async (operator) => {
      const { page } = operator;
      await open(operator, 'Accounts');
      const text = await page.locator('section', { hasText: 'shop' }).first().innerText();
      assert.match(text, /Received\s+text\s+3\s+3/);
      assert.match(text, /Refused\s+bad_signature\s+1\s+1/);
    },
  );

  task(
    'Test the alert',
    () => desk,
    async (operator, { receiver }) => {
      const { page, click } = operator;
      await open(operator, 'Alerts');
      const before = receiver.requests.length;
      await click(page.getByRole('button', { name: 'Send a test alert' }));
      await page.getByText('The test message was accepted (json).').waitFor();
      const sent = receiver.requests.slice(before).map(({ body }) => (body as { state: string }).state);
      assert.ok(sent.includes('test'));
    },
  );

  task(
    'See dead letters by cause',
    () => desk,
    async (operator, { s }) => {
      const { page } = operator;
      await open(operator, 'Dead letters');
      const { groups } = await s.json<{ groups: { account: string; errcode: number; count: number }[] }>(
        '/v1/dead-letters',
        { key: 'read' },
      );
      assert.equal(groups.length, 3);
      for (const { account, errcode, count } of groups) {
        const row = page.locator(`#account-${account} .row`).filter({ hasText: String(errcode) });
        assert.equal(numberIn((await row.locator('h3').innerText()).replace(String(errcode), '')), count);
        assert.ok((await row.locator('p.hint').innerText()).length > 10, 'the cure');
      }
    },
  );

  task(
    'Sign in again',
    () => desk,
    async (operator, { s }) => {
      const { page, client, click, type, enter } = operator;
      await click(page.getByRole('link', { name: 'All dead letters' }));
      const address = page.url();
      await page.getByRole('button', { name: 'Pause updates' }).waitFor();
      // The session ends at the server, as it does after twelve hours.
      const [cookie] = (await client.context.cookies()).filter(({ name }) => name === 'wma_session');
      const headers = { cookie: `${cookie?.name}=${cookie?.value}` };
      assert.equal((await s.call('/logout', { method: 'POST', headers })).status, 303);
      await click(page.getByRole('link', { name: 'Sign in again' }));
      await page.getByText('Your session has ended.').waitFor();
      await type(page.getByLabel('API key'), KEYS.admin);
      await enter();
      await page.getByRole('heading', { level: 1, name: 'Dead letters' }).waitFor();
      assert.equal(page.url(), address);
    },
    // The browser reports the page that it did not get.
    /401/,
  );
});
