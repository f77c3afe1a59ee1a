import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, setup } from '../backends.ts';
import { at, attemptOf, claimOne, HOUR_MS, insertOne, NOW, reference, STORED, WINDOW } from '../items.ts';

for (const backend of backends) {
  describe(`the queue claims on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;

    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    it('claims the earliest deadline first, within the capacity, accounts in turn', async () => {
      const a = [3, 1, 2].map((n) => reference({ account: 'fair-a', sentAt: at(-n * 1000) }));
      const b = [9, 8].map((n) => reference({ account: 'fair-b', sentAt: at(n * 1000) }));
      await catalogue.media.insert([...a, ...b], NOW, false);
      const accounts = [
        { account: 'fair-a', capacity: 2 },
        { account: 'fair-b', capacity: 5 },
      ];
      const first = await catalogue.queue.claim(accounts, NOW, WINDOW);
      assert.deepEqual(
        first.claimed.map((job) => job.reference.mediaId),
        [a[0], b[1], a[2], b[0]].map((one) => one!.mediaId),
      );
      assert.equal(first.inQueue.get('fair-a'), 0);
      assert.equal(
        (await catalogue.queue.claim(accounts, NOW, WINDOW)).claimed.length,
        0,
        'the capacity is used',
      );
    });

    it('claims nothing of a held account until the hold is over', async () => {
      const one = reference();
      const { id } = await insertOne(catalogue, one);
      await catalogue.accounts.hold(one.account, at(HOUR_MS), { code: 'x' });
      assert.equal(await claimOne(catalogue, one), undefined);
      assert.deepEqual((await catalogue.media.get(id))?.waiting, {
        reason: 'accountHeld',
        until: at(HOUR_MS),
      });
      assert.equal((await catalogue.stats.read(NOW, [one.account])).waiting.accountHeld, 1);
      assert.ok(await claimOne(catalogue, one, at(HOUR_MS)));
    });

    it('lets one item of all processes probe a lapsed hold and claims nothing else of the account meanwhile', async () => {
      const account = 'leased';
      const accounts = [{ account, capacity: 10 }];
      await catalogue.media.insert([reference({ account }), reference({ account })], NOW, false);
      await catalogue.accounts.hold(account, NOW, { code: 'x' });
      const take = (id: string, ms: number) =>
        catalogue.accounts.takeProbe(account, id, at(ms), at(ms + 1000));
      assert.deepEqual(
        [await take('m_1', 0), await take('m_2', 0), await take('m_1', 0)],
        [true, false, true],
      );
      assert.equal((await catalogue.queue.claim(accounts, NOW, WINDOW)).claimed.length, 0);
      assert.equal(await take('m_2', 1000), true, 'the first one died');
      await catalogue.accounts.hold(account, at(HOUR_MS), { code: 'x' });
      assert.equal(await take('m_2', 1000), false, 'held again');
      const both = await Promise.all(
        [1, 2].map(() => catalogue.accounts.hold('twice', at(HOUR_MS), { code: 'x' })),
      );
      assert.deepEqual(both.sort(), [false, true], 'of two at the same moment one is the first');
    });

    it('requeues a claimed item of a held account and claims pictures near their deadline', async () => {
      const one = reference({ kind: 'image', picUrl: 'http://mmbiz.qpic.cn/x' });
      const { account } = one;
      const { id } = await insertOne(catalogue, one);
      await insertOne(catalogue, reference({ account }));
      const { claimed } = await catalogue.queue.claim([{ account, capacity: 1 }], NOW, WINDOW);
      const job = claimed[0]!;
      assert.equal(await catalogue.queue.requeueHeld(job), false, 'nothing holds it');
      await catalogue.accounts.hold(account, at(HOUR_MS), { code: 'x', class: 'account' });
      assert.equal(await catalogue.queue.requeueHeld(job), true);
      assert.equal(await catalogue.queue.requeueHeld(job), false, 'it is back already');
      assert.equal((await catalogue.media.get(job.id))?.attempts, 0);
      assert.deepEqual((await catalogue.media.get(job.id))?.waiting, {
        reason: 'accountHeld',
        until: at(HOUR_MS),
      });
      const held = (windowMs: number) =>
        catalogue.queue.claim([{ account, capacity: 9 }], NOW, WINDOW, windowMs);
      assert.equal((await held(HOUR_MS)).claimed.length, 0);
      const near = (await held(72 * HOUR_MS)).claimed;
      assert.deepEqual(
        near.map((each) => each.id),
        [id],
      );
    });

    it('claims one item after a hold has lapsed and ends the hold when it is archived', async () => {
      const account = 'probed';
      const accounts = [{ account, capacity: 10 }];
      await catalogue.media.insert(
        [reference({ account }), reference({ account }), reference({ account })],
        NOW,
        false,
      );
      assert.equal(await catalogue.accounts.hold(account, NOW, { code: 'x' }, NOW), true);
      assert.equal(await catalogue.accounts.hold(account, NOW, { code: 'x' }, NOW), false, 'held already');
      const { claimed: probe } = await catalogue.queue.claim(accounts, NOW, WINDOW);
      assert.equal(probe.length, 1);
      assert.equal(
        (await catalogue.queue.claim(accounts, NOW, WINDOW)).claimed.length,
        0,
        'the probe is on its way',
      );
      await catalogue.outcomes.markArchived(attemptOf(probe[0]!), STORED);
      const states = await catalogue.accounts.list();
      assert.equal(states.find((state) => state.account === account)?.heldUntil, undefined);
      assert.equal((await catalogue.queue.claim(accounts, NOW, WINDOW)).claimed.length, 2);
    });

    it('never claims more than the window, jobs in a short backoff included', async () => {
      const account = 'windowed';
      await catalogue.media.insert(
        [reference({ account }), reference({ account }), reference({ account })],
        NOW,
        false,
      );
      const { claimed } = await catalogue.queue.claim([{ account, capacity: 1 }], NOW, 2);
      const next = { to: 'queue', at: at(1000), reason: 'retry' } as const;
      await catalogue.outcomes.markFailed(
        attemptOf(claimed[0]!),
        { code: 'network', class: 'transient' },
        next,
        true,
      );
      assert.equal((await catalogue.queue.claim([{ account, capacity: 9 }], NOW, 2)).claimed.length, 1);
    });
  });
}
