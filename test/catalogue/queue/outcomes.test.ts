import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, lifetimes, setup } from '../backends.ts';
import { at, attemptOf, claimOne, HOUR_MS, insertOne, NOW, reference, STORED, WINDOW } from '../items.ts';

for (const backend of backends) {
  describe(`outcomes of attempts on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;

    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    it('keeps an upload that was left open until it is cleared', async () => {
      const one = reference();
      await insertOne(catalogue, one);
      const job = await claimOne(catalogue, one);
      const object = { bucket: 'b', objectKey: 'k.jpg' };
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), {});
      await catalogue.uploads.record(job, 'u1');
      const left = { leftUploadId: 'u1', leftObjectKey: 'k.jpg' };
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), left);
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), left, 'the abort may have failed');
      await catalogue.uploads.clear(job.id, 'u1');
      assert.deepEqual(await catalogue.outcomes.reserve(job, object, NOW), {});
    });

    it('marks an item archived once in a generation', async () => {
      const one = reference();
      const { id } = await insertOne(catalogue, one);
      const job = await claimOne(catalogue, one);
      assert.ok(await catalogue.outcomes.reserve(job, { bucket: 'b', objectKey: 'k.jpg' }, NOW));
      assert.equal((await catalogue.media.get(id))?.waiting?.reason, 'running');
      assert.equal(await catalogue.outcomes.markArchived(attemptOf(job), STORED), true);
      const row = await catalogue.media.get(id);
      assert.equal(row?.status, 'archived');
      assert.equal(row?.sizeBytes, 5_000_000_000);
      assert.equal(row?.fileName, '照片.jpg');
      assert.equal(row?.attempts, 1);
      assert.equal(row?.waiting, undefined);
      assert.deepEqual(
        (await catalogue.media.attempts(id)).map(({ outcome, bytes, ms }) => ({ outcome, bytes, ms })),
        [{ outcome: 'archived', bytes: 5_000_000_000, ms: 1000 }],
      );
      assert.equal(
        await catalogue.outcomes.markArchived({ ...attemptOf(job), generation: job.generation + 1 }, STORED),
        false,
      );
    });

    it('lets a late worker of an earlier generation change nothing', async () => {
      const one = reference();
      const { id } = await insertOne(catalogue, one);
      const early = await claimOne(catalogue, one);
      assert.equal(await catalogue.queue.requeue([early]), 1);
      const late = await claimOne(catalogue, one);
      assert.equal(late.generation, early.generation + 1);
      assert.equal(await catalogue.outcomes.reserve(early, { bucket: 'b', objectKey: 'k' }, NOW), undefined);
      assert.equal(await catalogue.uploads.record(early, 'u'), false);
      assert.equal(await catalogue.outcomes.markArchived(attemptOf(early), STORED), false);
      assert.equal(
        await catalogue.outcomes.markFailed(
          attemptOf(early),
          { code: 'network', class: 'transient' },
          { to: 'dead' },
          true,
        ),
        false,
      );
      assert.equal((await catalogue.media.get(id))?.status, 'pending');
      assert.deepEqual(await catalogue.media.attempts(id), []);
    });

    it('takes a failed item out of the queue until it is due', async () => {
      const one = reference();
      const { id } = await insertOne(catalogue, one);
      const job = await claimOne(catalogue, one);
      const failure = { code: 'system_busy', class: 'transient', errcode: -1, errmsg: 'busy' } as const;
      const next = { to: 'later', at: at(HOUR_MS), reason: 'retry' } as const;
      assert.equal(await catalogue.outcomes.markFailed(attemptOf(job), failure, next, true), true);
      const row = await catalogue.media.get(id);
      assert.deepEqual(row?.waiting, { reason: 'retry', until: at(HOUR_MS) });
      assert.deepEqual(row?.failure, failure);
      assert.equal(row?.attempts, 1);
      await catalogue.queue.promote(at(HOUR_MS - 1), 100);
      assert.equal(await claimOne(catalogue, one), undefined);
      await catalogue.queue.promote(at(HOUR_MS), 100);
      assert.equal((await claimOne(catalogue, one)).generation, job.generation + 1);
    });

    it('counts no attempt for a hold and keeps no capacity for a job in a short backoff', async () => {
      const one = reference();
      const other = reference({ account: one.account });
      const { id } = await insertOne(catalogue, one);
      const job = await claimOne(catalogue, one);
      await catalogue.outcomes.markFailed(
        attemptOf(job),
        { code: 'x', class: 'account' },
        { to: 'queue', at: at(5000), reason: 'retry' },
        false,
      );
      assert.equal((await catalogue.media.get(id))?.attempts, 0);
      await insertOne(catalogue, other);
      const { claimed } = await catalogue.queue.claim([{ account: one.account, capacity: 1 }], NOW, WINDOW);
      assert.deepEqual(
        claimed.map((each) => each.reference.mediaId),
        [other.mediaId],
      );
    });

    it('gives an open upload to the next generation, which aborts it', async () => {
      const one = reference();
      await insertOne(catalogue, one);
      const first = await claimOne(catalogue, one);
      await catalogue.outcomes.reserve(first, { bucket: 'b', objectKey: 'left.mp4' }, NOW);
      assert.equal(await catalogue.uploads.record(first, 'upload-1'), true);
      await catalogue.queue.requeue([first]);
      assert.deepEqual(
        (await catalogue.uploads.listOpen(at(HOUR_MS), 10)).map((upload) => upload.uploadId),
        ['upload-1'],
      );
      const second = await claimOne(catalogue, one);
      assert.deepEqual(
        await catalogue.outcomes.reserve(second, { bucket: 'b', objectKey: 'left.mp4' }, NOW),
        {
          leftUploadId: 'upload-1',
          leftObjectKey: 'left.mp4',
        },
      );
    });

    it('closes rows past closesAt, but none with a running attempt and no late arrival before its first attempt', async () => {
      const closed = reference({ sentAt: at(-80 * HOUR_MS) });
      const running = reference({ sentAt: at(-80 * HOUR_MS) });
      const ids = await catalogue.media.insert([closed, running], NOW, false);
      const failure = { code: 'expired', class: 'permanent_media' } as const;
      const close = async (now: Date) => {
        const out = await catalogue.outcomes.listExpiring(now, lifetimes.closingMs, 100);
        return await catalogue.outcomes.closeExpired(
          out.map(({ id }) => id),
          now,
          failure,
        );
      };
      const mine = (rows: { id: string }[]) =>
        rows.map((row) => row.id).filter((id) => ids.some((one) => one.id === id));
      assert.deepEqual(mine(await close(NOW)), []);
      await claimOne(catalogue, running);
      assert.deepEqual(mine(await close(at(3 * HOUR_MS))), [ids[0]!.id]);
      assert.equal((await catalogue.media.get(ids[0]!.id))?.status, 'expired');
      assert.equal((await catalogue.media.get(ids[1]!.id))?.status, 'pending');
    });
  });
}
