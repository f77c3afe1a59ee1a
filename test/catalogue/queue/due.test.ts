/** What a further worker could take: due items and waiting jobs, but none in a backoff, held or running. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, setup } from '../backends.ts';
import { at, attemptOf, claimOne, HOUR_MS, NOW, reference, STORED } from '../items.ts';

for (const backend of backends) {
  describe(`the count of due items on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    const countOf = async (account: string, now = NOW) => {
      const [found] = await catalogue.queue.dueCounts([account], now);
      return found && [found.due, found.running];
    };
    const insert = async (account: string, count: number) => {
      const items = Array.from({ length: count }, () => reference({ account }));
      await catalogue.media.insert(items, NOW, false);
      return items;
    };

    it('counts items that are due or wait in the queue, and what runs apart', async () => {
      const [first] = await insert('due-a', 3);
      assert.deepEqual(await countOf('due-a'), [3, 0]);
      const job = await claimOne(catalogue, first!);
      assert.deepEqual(await countOf('due-a'), [3, 0], 'claimed items have a job that no worker has taken');
      await catalogue.outcomes.reserve(job, STORED, NOW);
      assert.deepEqual(await countOf('due-a'), [2, 1]);
    });

    it('counts no item in a backoff, of a held account, or while the store is held', async () => {
      const [first] = await insert('due-b', 2);
      const job = await claimOne(catalogue, first!);
      await catalogue.outcomes.markFailed(
        attemptOf(job),
        { code: 'network', class: 'transient' },
        { to: 'queue', at: at(HOUR_MS), reason: 'retry' },
        true,
      );
      assert.deepEqual(await countOf('due-b'), [1, 0]);
      await catalogue.accounts.hold('due-b', at(HOUR_MS), { code: 'x' });
      assert.deepEqual(await countOf('due-b'), [0, 0]);
      assert.deepEqual(
        await countOf('due-b', at(2 * HOUR_MS)),
        [1, 0],
        'a lapsed hold lets one item through',
      );
    });
  });
}
