/** A row is freed because its job is gone, while a worker still has that job in hand: as after FLUSHALL. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const at = (ms: number) => new Date(NOW.getTime() + ms);
const WHY = { code: 'network', class: 'transient' } as const;

for (const { name, skip, open } of backends) {
  test(`an attempt that ends after its row was requeued leaves a row that is requeued again, on ${name}`, {
    skip,
  }, async (t) => {
    const bundle = await setup(t, open);
    if (!bundle) return;
    const { catalogue } = bundle;
    await catalogue.media.insert([{ account: 'wx1', mediaId: 'm', kind: 'image', sentAt: NOW }], NOW, false);
    const [job] = (await catalogue.queue.claim([{ account: 'wx1', capacity: 1 }], NOW, 1)).claimed;
    assert.ok(job);
    assert.equal(await catalogue.queue.requeue([job]), 1);

    const of = { id: job.id, generation: job.generation, startedAt: NOW, endedAt: at(1_000) };
    await catalogue.outcomes.markFailed(of, WHY, { to: 'queue', at: at(2_000), reason: 'retry' }, true);
    const claimed = await catalogue.queue.listClaimedBefore(at(60_000), 10);
    assert.deepEqual(
      claimed.map(({ id }) => id),
      [job.id],
    );
  });
}
