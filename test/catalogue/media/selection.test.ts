import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { MediaFilter } from '../../../src/catalogue/media/filter.ts';
import { idOf, type Reference } from '../../../src/media.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { type Bundle, backends, setup } from '../backends.ts';
import { at, attemptOf, claimOne, HOUR_MS, insertOne, NOW, reference, STORED } from '../items.ts';

for (const backend of backends) {
  describe(`what a filter selects on ${backend.name}`, { skip: backend.skip }, () => {
    let bundle: Bundle;
    const cleanup = createCleanup();
    before(async () => {
      bundle = (await setup(cleanup.hooks, backend.open))!;
    });
    after(() => cleanup.run());

    const add = async (fields: Partial<Reference>) => {
      const one = reference(fields);
      await insertOne(bundle.catalogue, one);
      return { one, id: idOf(one.account, one.mediaId) };
    };
    const archive = async (one: Reference) => {
      const job = await claimOne(bundle.catalogue, one);
      const { bucket, objectKey } = STORED;
      await bundle.catalogue.outcomes.reserve(job, { bucket, objectKey }, NOW);
      await bundle.catalogue.outcomes.markArchived(attemptOf(job), STORED);
    };

    it('is counted by account, kind and status, with the children that an erasure takes too', async () => {
      const { selections, mediaErasure } = bundle.catalogue;
      const labels = { test: 'children' };
      const parent = await add({ labels, kind: 'video' });
      await archive(parent.one);
      await add({ account: parent.one.account, parentId: parent.id, kind: 'thumb' });
      // A child has the account of its parent; this one only says so.
      await add({ parentId: parent.id, kind: 'thumb' });
      const other = await add({ labels });
      const preview = async (children: boolean) => await selections.preview({ labels }, { children });
      const alone = await preview(false);
      assert.deepEqual([alone.matched, alone.bytes], [2, STORED.sizeBytes]);
      const { matched, groups } = await preview(true);
      assert.deepEqual(
        [
          matched,
          groups
            .map(({ account, kind, status, count }) => `${account} ${kind} ${status} ${count}`)
            .toSorted(),
        ],
        [
          3,
          [
            `${other.one.account} image pending 1`,
            `${parent.one.account} thumb pending 1`,
            `${parent.one.account} video archived 1`,
          ].toSorted(),
        ],
      );
      assert.deepEqual(await selections.total({ labels }, 100), { matched: 2, bytes: STORED.sizeBytes });
      assert.equal((await selections.total({ labels }, 1)).matched, 1, 'counted up to the limit');
      assert.deepEqual(
        await selections.ids({ labels }, 100),
        new Map([
          [parent.one.account, [parent.id]],
          [other.one.account, [other.id]],
        ]),
      );
      assert.deepEqual(
        await selections.accounts({ labels }, 100),
        [parent.one.account, other.one.account].toSorted(),
      );
      const marked = await mediaErasure.erase([parent.id, other.id], { actor: 'ops' }, at(1000));
      assert.equal(marked.length, matched, 'the erasure takes what the preview counted');
      assert.deepEqual(await preview(true), { matched: 0, bytes: 0, groups: [] });
      const { account } = parent.one;
      assert.equal((await selections.total({ accounts: [account] }, 9)).matched, 0, 'without erased items');
    });

    it('finds failed items by code, class and the time of the failure', async () => {
      const { account } = reference();
      const failed = await add({ account });
      await add({ account });
      const why = { code: 'too_large', class: 'permanent_media' } as const;
      const job = await claimOne(bundle.catalogue, failed.one);
      await bundle.catalogue.outcomes.markFailed(attemptOf(job, at(HOUR_MS)), why, { to: 'dead' }, true);
      const found = async (filter: MediaFilter) =>
        (await bundle.catalogue.media.list({ accounts: [account], ...filter }, { sort: 'sentAt', limit: 9 }))
          .items.length;
      assert.deepEqual(
        [
          await found({}),
          await found({ codes: ['too_large'] }),
          await found({ codes: ['odd'] }),
          await found({ classes: ['permanent_media'] }),
          await found({ classes: ['store'] }),
          await found({ failedFrom: at(HOUR_MS) }),
          await found({ failedFrom: at(HOUR_MS + 1) }),
          await found({ failedTo: at(HOUR_MS) }),
          await found({ failedTo: at(HOUR_MS + 1) }),
        ],
        [2, 1, 0, 1, 0, 1, 0, 0, 1],
      );
      await bundle.catalogue.redrives.redriveOne(failed.id, at(2 * HOUR_MS), { actor: 'ops' });
      assert.equal(await found({ failedFrom: NOW }), 0, 'a redriven item has not failed any more');
    });
  });
}
