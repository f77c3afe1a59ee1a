/** Redriving one item. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const at = (ms: number) => new Date(NOW.getTime() + ms);
const OPS = { actor: 'ops' };
const WHY = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const;

for (const backend of backends) {
  describe(`redriving one on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    let serial = 0;
    async function deadOne() {
      const account = `redrive-${serial++}`;
      await catalogue.media.insert([{ account, mediaId: 'm', kind: 'image', sentAt: NOW }], NOW, false);
      const claim = async (now: Date) =>
        (await catalogue.queue.claim([{ account, capacity: 9 }], now, 9)).claimed[0];
      const job = (await claim(NOW))!;
      const of = { id: job.id, generation: job.generation, startedAt: NOW, endedAt: at(1000) };
      assert.ok(await catalogue.outcomes.markFailed(of, WHY, { to: 'dead' }, true));
      return { id: job.id, of, claim };
    }

    it('makes a dead item pending and due and keeps its other fields', async () => {
      const { id, claim } = await deadOne();
      assert.equal(await catalogue.redrives.redriveOne(id, at(HOUR_MS), OPS), true);
      const row = await catalogue.media.get(id);
      assert.deepEqual([row?.status, row?.attempts, row?.waiting], ['pending', 1, { reason: 'queued' }]);
      assert.deepEqual(row?.closesAt, at(74 * HOUR_MS), 'there was time enough');
      assert.equal((await claim(at(HOUR_MS)))?.id, id);
    });

    it('leaves an item the closing window even after its deadline', async () => {
      const { id } = await deadOne();
      await catalogue.redrives.redriveOne(id, at(1000 * HOUR_MS), OPS);
      const row = await catalogue.media.get(id);
      assert.deepEqual(row?.closesAt, at(1002 * HOUR_MS));
      assert.deepEqual(row?.expiresAt, at(72 * HOUR_MS), "WeChat's own deadline is a fact");
    });

    it('lets an attempt of an earlier generation change nothing', async () => {
      const { id, of } = await deadOne();
      await catalogue.redrives.redriveOne(id, at(HOUR_MS), OPS);
      assert.equal(await catalogue.outcomes.markFailed(of, WHY, { to: 'dead' }, true), false);
      assert.equal((await catalogue.media.get(id))?.status, 'pending');
    });

    it('changes no item that is not dead, was never downloadable, or does not exist', async () => {
      const { id } = await deadOne();
      await catalogue.redrives.redriveOne(id, NOW, OPS);
      assert.equal(await catalogue.redrives.redriveOne(id, NOW, OPS), false, 'pending');
      const file = { account: 'redrive-file', mediaId: 'msg:1', kind: 'file', sentAt: NOW } as const;
      const [accepted] = await catalogue.media.insert([file], NOW, false);
      assert.equal(await catalogue.redrives.redriveOne(accepted!.id, NOW, OPS), false, 'file');
      assert.equal(await catalogue.redrives.redriveOne('m_nothing', NOW, OPS), false);
    });

    it('counts the dead letters of the given accounts', async () => {
      await deadOne();
      const account = `redrive-${serial - 1}`;
      assert.equal((await catalogue.stats.read(NOW, [account])).byStatus.dead, 1);
      assert.equal((await catalogue.stats.read(NOW, [])).byStatus.dead, 0);
      const groups = await catalogue.stats.deadLetterGroups(10, [account]);
      assert.deepEqual(
        groups.map((group) => [group.account, group.errcode]),
        [[account, 40007]],
      );
    });
  });
}
