/** Redrives of many dead letters by a filter: what they take, in which order, and what a crash leaves. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, lifetimes, SCHEMA, setup } from '../backends.ts';
import { at, createDeadLetters, HOUR_MS, INVALID } from './dead-letters.ts';

for (const backend of backends) {
  describe(`redriving many on ${backend.name}`, { skip: backend.skip }, () => {
    let bundle: Bundle;
    const cleanup = createCleanup();
    before(async () => {
      bundle = (await setup(cleanup.hooks, backend.open))!;
    });
    after(() => cleanup.run());

    const { newAccount, claim, fail, dead, filterOf, ask, workOff, statusesOf, all, countsOf } =
      createDeadLetters(() => bundle);

    it('makes all matching items pending at its rate and stores in each how often, by whom and why', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 25 });
      const { id, matched } = await ask(filterOf(account), at(1000), {
        reason: 'the id was right after all',
      });
      assert.equal(matched, 25);
      assert.deepEqual(await statusesOf(ids.slice(0, 1)), ['dead'], 'asked for is not done');
      assert.deepEqual(await workOff(id, at(1000)), [10, 10, 5]);
      assert.deepEqual(await statusesOf(ids), all(25, 'pending'));
      assert.deepEqual(await countsOf(id), { state: 'done', done: 25, skipped: 0, total: 25 });
      const row = await bundle.catalogue.media.get(ids[0]!);
      assert.equal(row?.redrives, 1);
      assert.deepEqual(row.lastRedrive, {
        at: at(1000).toISOString(),
        by: 'ops',
        reason: 'the id was right after all',
        redrive: id,
      });
      const events = await bundle.catalogue.auditLog.list({ target: id }, 9);
      assert.deepEqual(
        events.map(({ action, actor, reason }) => [action, actor, reason]),
        [['redrive', 'ops', 'the id was right after all']],
      );
      // Half a second of media in a page, and half a second between two.
      const ended = (await bundle.catalogue.redrives.get(id))!.endedAt!;
      assert.equal(ended.getTime() - at(1000).getTime(), 1000);
    });

    it('takes no item that died after it was created and none twice', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 12 });
      const { id } = await ask(filterOf(account), at(1000));
      const late = await dead(account, { count: 3, sentAt: at(-HOUR_MS), diedAt: at(2000) });
      assert.equal((await bundle.catalogue.redrives.runPage(id, at(3000)))?.redriven, 10);
      // WeChat refuses again, before the rest has had its turn.
      for (const job of await claim(account, at(3000))) await fail(job, at(3000), INVALID, 'dead');
      assert.deepEqual(await workOff(id, at(4000)), [2]);
      const rows = await Promise.all(ids.map((one) => bundle.catalogue.media.get(one)));
      assert.deepEqual(
        rows.map((row) => row?.redrives),
        ids.map(() => 1),
      );
      assert.deepEqual(await statusesOf(late), all(3, 'dead'));
    });

    it('takes items first that WeChat still has, the nearest deadline before the others', async () => {
      const account = newAccount();
      const old = await dead(account, { count: 2, sentAt: at(-100 * HOUR_MS) });
      const fresh = await dead(account, { count: 2, sentAt: at(-HOUR_MS) });
      const near = await dead(account, { count: 2, sentAt: at(-70 * HOUR_MS) });
      const gone = await dead(account, { count: 2, sentAt: at(-90 * HOUR_MS), to: 'expired' });
      const both = filterOf(account, { status: ['dead', 'expired'] });
      const { id } = await ask(both, at(1000), { rate: 2 });
      const order: string[] = [];
      const left = new Set([...old, ...fresh, ...near, ...gone]);
      for (let n = 0; n < 20 && left.size > 0; n++) {
        await bundle.catalogue.redrives.runPage(id, at(2000 + 1000 * n));
        for (const one of left) {
          if ((await bundle.catalogue.media.get(one))?.status !== 'pending') continue;
          left.delete(one);
          order.push(one);
        }
      }
      assert.deepEqual(order, [...near, ...fresh, ...old, ...gone]);
    });

    it('takes expired items if the filter has them and gives them the closing window for one more attempt', async () => {
      const account = newAccount();
      const [gone] = (await dead(account, { to: 'expired', sentAt: at(-90 * HOUR_MS) })) as [string];
      assert.equal((await ask(filterOf(account), at(1000))).matched, 0, 'dead ones only');
      const { id } = await ask(filterOf(account, { status: ['expired'] }), at(1000));
      await workOff(id, at(2000));
      const row = await bundle.catalogue.media.get(gone);
      assert.deepEqual([row?.status, row?.closesAt], ['pending', at(2000 + 2 * HOUR_MS)]);
      const [job] = await claim(account, at(3000));
      await fail(job!, at(3000), INVALID, 'expired');
      assert.equal((await bundle.catalogue.media.get(gone))?.status, 'expired');
      assert.deepEqual((await countsOf(id)).state, 'done');
      // Again and again, it is the same window.
      assert.ok(await bundle.catalogue.redrives.redriveOne(gone, at(HOUR_MS), { actor: 'ops', force: true }));
      assert.deepEqual((await bundle.catalogue.media.get(gone))?.closesAt, at(3 * HOUR_MS));
      assert.equal((await bundle.catalogue.media.get(gone))?.redrives, 2);
    });

    it('counts items as skipped that are archived, pending or erased when their page comes', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 5 });
      const { id } = await ask(filterOf(account), at(1000));
      await bundle.catalogue.redrives.redriveOne(ids[0]!, at(1500), { actor: 'operator' });
      await bundle.database.query(
        `UPDATE ${SCHEMA}.media SET status = 'archived', failure = NULL, archived_at = $2 WHERE id = $1`,
        [ids[1], at(1500)],
      );
      await workOff(id, at(2000));
      assert.deepEqual(await countsOf(id), { state: 'done', done: 3, skipped: 2, total: 5 });
      const rows = await Promise.all(ids.map((one) => bundle.catalogue.media.get(one)));
      assert.deepEqual(
        rows.map((row) => [row?.status, row?.lastRedrive?.by]),
        [['pending', 'operator'], ['archived', undefined], ...ids.slice(2).map(() => ['pending', 'ops'])],
      );
    });

    it('takes each item once when two redrives match the same items', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 40 });
      const [first, second] = await Promise.all([
        ask(filterOf(account), at(1000)),
        ask(filterOf(account, { errcode: [40007] }), at(1000)),
      ]);
      await Promise.all([workOff(first.id, at(2000)), workOff(second.id, at(2000))]);
      const rows = await Promise.all(ids.map((one) => bundle.catalogue.media.get(one)));
      assert.deepEqual(
        rows.map((row) => row?.redrives),
        ids.map(() => 1),
      );
      const [one, other] = [await countsOf(first.id), await countsOf(second.id)];
      assert.equal(one.done + other.done, 40);
      assert.equal(one.done + one.skipped, 40);
      assert.equal(other.done + other.skipped, 40);
    });

    it('continues where it was after a process died in the middle of a page', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 25 });
      const { id } = await ask(filterOf(account), at(1000));
      await bundle.catalogue.redrives.runPage(id, at(2000));
      const dying = createCatalogue(
        {
          ...bundle.database,
          transaction: (work) =>
            bundle.database.transaction(async (transaction) => {
              await work(transaction);
              throw new Error('killed');
            }),
        },
        SCHEMA,
        lifetimes,
      );
      await assert.rejects(dying.redrives.runPage(id, at(3000)), /killed/);
      assert.deepEqual(await countsOf(id), { state: 'running', done: 10, skipped: 0, total: 25 });
      assert.equal((await statusesOf(ids)).filter((status) => status === 'pending').length, 10);
      assert.deepEqual(await workOff(id, at(3000)), [10, 5]);
      const rows = await Promise.all(ids.map((one) => bundle.catalogue.media.get(one)));
      assert.deepEqual(
        rows.map((row) => row?.redrives),
        ids.map(() => 1),
      );
    });

    it('gives two processes at the same time two pages, or one of them none', async () => {
      const account = newAccount();
      await dead(account, { count: 30 });
      const { id } = await ask(filterOf(account), at(1000));
      const pages = await Promise.all([1, 2, 3].map(() => bundle.catalogue.redrives.runPage(id, at(2000))));
      assert.deepEqual(pages.map((page) => page?.redriven).sort(), [10, undefined, undefined]);
      assert.equal((await countsOf(id)).done, 10);
      await bundle.catalogue.redrives.stop(id, 'ops', at(3000));
    });

    it('stops between two pages, once, and writes who stopped it', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 15 });
      const { id } = await ask(filterOf(account), at(1000));
      await bundle.catalogue.redrives.runPage(id, at(2000));
      assert.equal(await bundle.catalogue.redrives.stop(id, 'boss', at(2100)), true);
      assert.equal(await bundle.catalogue.redrives.stop(id, 'boss', at(2100)), false);
      assert.equal(await bundle.catalogue.redrives.runPage(id, at(9000)), undefined);
      assert.deepEqual(await countsOf(id), { state: 'stopped', done: 10, skipped: 0, total: 15 });
      assert.equal((await statusesOf(ids)).filter((status) => status === 'dead').length, 5);
      const [stop] = await bundle.catalogue.auditLog.list({ target: id }, 1);
      assert.deepEqual([stop?.action, stop?.actor], ['redrive.stop', 'boss']);
    });

    it('takes no more items than its limit', async () => {
      const account = newAccount();
      const ids = await dead(account, { count: 8 });
      const { id, matched } = await ask(filterOf(account), at(1000), { limit: 5 });
      assert.equal(matched, 8);
      await workOff(id, at(2000));
      assert.deepEqual(await countsOf(id), { state: 'done', done: 5, skipped: 0, total: 5 });
      assert.deepEqual(await statusesOf(ids), [...all(5, 'pending'), ...all(3, 'dead')]);
    });

    it('is done at once if nothing matches', async () => {
      const { id } = await ask(filterOf(newAccount()), at(1000));
      assert.deepEqual(await countsOf(id), { state: 'done', done: 0, skipped: 0, total: 0 });
    });
  });
}
