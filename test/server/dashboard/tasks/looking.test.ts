/** The tasks of an operator that are about finding and looking, in a real Chromium. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import type { Page } from 'playwright-core';
import { missing } from '../../../machine/services.ts';
import { eventually } from '../../../queue/handled.ts';
import { idsOf } from './cards.ts';
import { timeOn } from './days.ts';
import { ADMIN, type Desk, numberIn, open, openDesk, search, task } from './operator.ts';

const stepsOf = async (page: Page): Promise<string[]> =>
  (await page.locator('#timeline tbody tr').allInnerTexts()).map((row) => row.replaceAll(/\s+/g, ' '));

describe('an operator who looks for something', { skip: missing.chromium }, () => {
  let desk: Desk;
  before(async () => {
    desk = await openDesk();
  });
  after(() => desk?.close());

  task(
    'Find a customer’s photo of Tuesday and say what happened',
    () => desk,
    async (operator, seed) => {
      const { page, click, type } = operator;
      await search(operator, seed.customer);
      assert.equal((await idsOf(page)).length, 4, 'of the customer, from four days');
      await type(page.getByLabel('From day'), seed.tuesday);
      await type(page.getByLabel('To day'), seed.tuesday);
      await click(page.getByRole('button', { name: 'Show', exact: true }));
      await page.waitForURL(/from=/);
      assert.deepEqual(await idsOf(page), [seed.photo]);
      await click(page.locator(`#${seed.photo} .name a`));
      await page.waitForURL(`**/media/${seed.photo}`);
      const picture = page.locator('#view img');
      await picture.evaluate((image) => (image as unknown as { decode(): Promise<void> }).decode());
      const steps = await stepsOf(page);
      assert.match(steps[0] ?? '', /15:20:00 GMT\+8 The user sent it/);
      for (const what of ['Reference accepted', 'Attempt 1 success', 'Stored and verified'])
        assert.ok(
          steps.some((step) => step.includes(what)),
          `${what} is in ${steps.join('; ')}`,
        );
    },
  );

  for (const [codec, words] of [
    ['AMR', '几点发货'],
    ['AMR-WB', '杯子'],
    ['SILK', '换一个颜色'],
  ] as const)
    task(
      `Hear a voice (${codec})`,
      () => desk,
      async (operator, { voices }) => {
        const { page, click } = operator;
        await search(operator, words);
        assert.deepEqual(await idsOf(page), [voices[codec]]);
        const player = page.locator('audio');
        const { height = 54 } = (await player.boundingBox()) ?? {};
        await click(player, { position: { x: 28, y: height / 2 } });
        await eventually(
          'the voice is heard',
          () =>
            player.evaluate((element) => {
              const { duration, currentTime } = element as unknown as Record<string, number>;
              return duration! > 0 && currentTime! > 0.1;
            }),
          30_000,
        );
      },
    );

  task(
    'Say who erased this',
    () => desk,
    async (operator, { erased }) => {
      const { page, click } = operator;
      await search(operator, erased);
      await click(page.locator(`#${erased} .name a`));
      await page.waitForURL(`**/media/${erased}`);
      const step = (await stepsOf(page)).find((one) => one.includes('Erasure requested'));
      assert.match(step ?? '', new RegExp(`${ADMIN}.*asked for by phone`));
    },
  );

  task(
    'Show everything of one user',
    () => desk,
    async (operator, { s, leaving }) => {
      const { page } = operator;
      await search(operator, leaving);
      const { items } = await s.json<{ items: { id: string }[] }>(`/v1/media?openId=${leaving}`, {
        key: 'read',
      });
      assert.equal(items.length, 3);
      assert.deepEqual((await idsOf(page)).sort(), items.map(({ id }) => id).sort());
      assert.equal(numberIn(await page.innerText('#results-title')), 3);
    },
  );

  task(
    'Show the attempts of an item',
    () => desk,
    async (operator, { tried }) => {
      const { page, click } = operator;
      await search(operator, tried.msgId);
      await click(page.locator(`#${tried.id} .name a`));
      const attempts = (await stepsOf(page)).filter((step) => /Attempt \d/.test(step));
      assert.equal(attempts.length, 3);
      assert.match(attempts[0] ?? '', /Attempt 1 failed, will be repeated · -1 · 800 ms .*busy/i);
      assert.match(attempts[2] ?? '', /Attempt 3 failed for good · 40007 · 800 ms .*media id/i);
    },
  );

  task(
    'See what expires within 6 hours',
    () => desk,
    async (operator, { urgent }) => {
      const { page, click } = operator;
      await click(page.getByRole('link', { name: /^At risk/ }));
      await page.waitForURL(/due=6h/);
      assert.deepEqual((await idsOf(page)).sort(), [...urgent].sort());
      for (const id of urgent) assert.match(await page.innerText(`#${id}`), /expires in (2|3) hr/);
    },
  );

  task(
    'See what changed since yesterday',
    () => desk,
    async (operator, { s, today }) => {
      const { page, click, type } = operator;
      await open(operator, 'Audit log');
      assert.match(await page.innerText('#entries'), /night-shift/);
      const yesterday = new Date(timeOn(today, '00:00').getTime() - 86_400_000);
      await type(page.getByLabel('From day'), yesterday.toISOString().slice(0, 10));
      await click(page.getByRole('button', { name: 'Show', exact: true }));
      await page.waitForURL(/from=/);
      const text = await page.innerText('#entries');
      assert.match(text, new RegExp(`${ADMIN}\\s+Erase`));
      assert.match(text, /worker\s+Hold\s+school/);
      assert.doesNotMatch(text, /night-shift/, 'four days ago');
      const { items } = await s.json<{ items: unknown[] }>(
        `/v1/audit-log?from=${yesterday.toISOString()}&limit=50`,
        { key: 'read' },
      );
      assert.equal(await page.locator('#entries tbody tr').count(), items.length);
    },
  );
});
