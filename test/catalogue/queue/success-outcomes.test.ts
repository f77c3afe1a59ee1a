/** Items that share a statement: each row keeps its own guard and its own result. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Reference } from '../../../src/media.ts';
import { backends, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');

for (const backend of backends) {
  describe(`a statement for many items on ${backend.name}`, { skip: backend.skip }, () => {
    it('reserves and archives each row by its own generation', async (t) => {
      const { catalogue, database } = (await setup(t, backend.open))!;
      const references = Array.from(
        { length: 12 },
        (_, index): Reference => ({
          account: `many-${index % 2}`,
          mediaId: `many-${index}`,
          kind: 'image',
          sentAt: NOW,
        }),
      );
      await catalogue.media.insert(references, NOW, false);
      const accounts = ['many-0', 'many-1'].map((account) => ({ account, capacity: 100 }));
      const { claimed } = await catalogue.queue.claim(accounts, NOW, 1_000);
      assert.equal(claimed.length, 12);
      const objectOf = (id: string) => ({ bucket: 'b', objectKey: `${id}.jpg` });
      // Every third belongs to another generation by now.
      const jobs = claimed.map((job, index) => ({
        ...job,
        generation: index % 3 === 0 ? job.generation + 1 : job.generation,
      }));
      const isOurs = jobs.map((_, index) => index % 3 !== 0);
      const reserved = await Promise.all(
        jobs.map(({ id, generation }) => catalogue.outcomes.reserve({ id, generation }, objectOf(id), NOW)),
      );
      assert.deepEqual(
        reserved.map((one) => one !== undefined),
        isOurs,
      );
      const archived = await Promise.all(
        jobs.map(({ id, generation, reference }, index) =>
          catalogue.outcomes.markArchived(
            { id, generation, startedAt: NOW, endedAt: NOW, account: reference.account },
            {
              ...objectOf(id),
              sizeBytes: index,
              sha256: 'f'.repeat(64),
              contentType: 'image/jpeg',
              ...(index % 2 ? { fileName: `"照片", {${index}}\\.jpg` } : {}),
              source: 'media_get',
              lengthVerified: index % 2 === 0,
            },
          ),
        ),
      );
      assert.deepEqual(archived, isOurs);
      for (const [index, { id }] of jobs.entries()) {
        const row = (await catalogue.media.get(id))!;
        const { status, objectKey, sizeBytes, lengthVerified, fileName, attempts } = row;
        const expected = isOurs[index]
          ? [
              'archived',
              `${id}.jpg`,
              index,
              index % 2 === 0,
              index % 2 ? `"照片", {${index}}\\.jpg` : undefined,
              1,
            ]
          : ['pending', undefined, undefined, undefined, undefined, 0];
        assert.deepEqual([status, objectKey, sizeBytes, lengthVerified, fileName, attempts], expected);
      }
      const logged = await database.query<{ n: string }>('SELECT count(*) AS n FROM wma.attempt');
      assert.equal(Number(logged[0]?.n), 8);
      assert.equal((await catalogue.stats.read(NOW)).byStatus.archived, 8);
    });

    it('ends a lapsed hold of the account and writes one audit entry', async (t) => {
      const { catalogue } = (await setup(t, backend.open))!;
      const account = 'lapsed';
      const references = ['a', 'b'].map(
        (mediaId): Reference => ({ account, mediaId, kind: 'image', sentAt: NOW }),
      );
      await catalogue.media.insert(references, NOW, false);
      const { claimed } = await catalogue.queue.claim([{ account, capacity: 100 }], NOW, 1_000);
      await catalogue.accounts.hold(account, NOW, { code: 'api_unauthorized' }, NOW);
      const endedAt = new Date(NOW.getTime() + 1_000);
      const stored = { bucket: 'b', sizeBytes: 1, sha256: 'f'.repeat(64), contentType: 'image/jpeg' };
      await Promise.all(
        claimed.map(({ id, generation }) =>
          catalogue.outcomes.markArchived(
            { id, generation, startedAt: NOW, endedAt, account },
            { ...stored, objectKey: id, source: 'media_get', lengthVerified: true },
          ),
        ),
      );
      assert.deepEqual(await catalogue.accounts.listHolds(), []);
      const entries = await catalogue.auditLog.list({ target: account }, 10);
      const releases = entries.filter(({ action }) => action === 'release');
      assert.deepEqual(
        releases.map(({ actor, at }) => [actor, at]),
        [['worker', endedAt]],
      );
    });
  });
}
