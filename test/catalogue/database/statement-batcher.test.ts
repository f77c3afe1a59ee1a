/** What shares a statement: each row keeps its own guard and its own answer. */
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import { createGrouping } from '../../../src/catalogue/database/statement-batcher.ts';
import type { Reference } from '../../../src/media.ts';
import { backends, setup } from '../backends.ts';

const NOW = new Date('2026-05-01T12:00:00Z');

test('what is asked while a statement is on its way goes together in the next one', async () => {
  const written: string[][] = [];
  const gates: (() => void)[] = [];
  const ask = createGrouping<{ id: string }, string>(async (items) => {
    written.push(items.map((item) => item.id));
    await new Promise<void>((resolve) => gates.push(resolve));
    return new Map(items.filter(({ id }) => id !== 'gone').map(({ id }) => [id, `${id}!`]));
  });
  const first = ['a', 'b'].map((id) => ask({ id }));
  while (gates.length < 1) await new Promise(setImmediate);
  const second = ['c', 'gone', 'c'].map((id) => ask({ id }));
  gates.shift()!();
  assert.deepEqual(await Promise.all(first), ['a!', 'b!']);
  while (gates.length < 1) await new Promise(setImmediate);
  gates.shift()!();
  while (gates.length < 1) await new Promise(setImmediate);
  gates.shift()!();
  assert.deepEqual(await Promise.all(second), ['c!', undefined, 'c!']);
  assert.deepEqual(written, [['a', 'b'], ['c', 'gone'], ['c']]);
});

test('a statement that waits for a lock does not keep those behind it waiting', async () => {
  let calls = 0;
  const ask = createGrouping<{ id: string }, string>(async (items) => {
    if (++calls === 1) await new Promise(() => undefined);
    return new Map(items.map(({ id }) => [id, id]));
  });
  void ask({ id: 'stuck' });
  while (calls < 1) await new Promise(setImmediate);
  assert.equal(await ask({ id: 'next' }), 'next');
});

test('one that fails fails alone; a database that is away fails all, once', async () => {
  let calls = 0;
  let isAway = false;
  const ask = createGrouping<{ id: string }, string>(async (items) => {
    calls++;
    if (isAway) throw new DatabaseUnavailableError('away');
    if (items.some(({ id }) => id === 'bad')) throw new Error('bad');
    return new Map(items.map(({ id }) => [id, id]));
  });
  const answers = await Promise.allSettled(['a', 'bad', 'b'].map((id) => ask({ id })));
  assert.deepEqual(
    answers.map((one) => one.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  [calls, isAway] = [0, true];
  const failed = await Promise.allSettled(['a', 'b'].map((id) => ask({ id })));
  assert.ok(
    failed.every((one) => one.status === 'rejected' && one.reason instanceof DatabaseUnavailableError),
  );
  assert.equal(calls, 1);
  isAway = false;
  assert.equal(await ask({ id: 'a' }), 'a');
});

for (const backend of backends) {
  describe(`archiving many at once on ${backend.name}`, { skip: backend.skip }, () => {
    it('reserves and settles each row by its own generation', async (t) => {
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
      const rooms = ['many-0', 'many-1'].map((account) => ({ account, capacity: 100 }));
      const { claimed: fed } = await catalogue.queue.claim(rooms, NOW, 1_000);
      assert.equal(fed.length, 12);
      const objectOf = (id: string) => ({ bucket: 'b', objectKey: `${id}.jpg` });
      // Every third belongs to another generation by now.
      const jobs = fed.map((job, index) => ({
        ...job,
        generation: index % 3 === 0 ? job.generation + 1 : job.generation,
      }));
      const isOurs = jobs.map((_, index) => index % 3 !== 0);
      const reserved = await Promise.all(
        jobs.map(({ id, generation }) =>
          catalogue.outcomes.reserve({ id, generation: generation }, objectOf(id), NOW),
        ),
      );
      assert.deepEqual(
        reserved.map((one) => one !== undefined),
        isOurs,
      );
      const settled = await Promise.all(
        jobs.map(({ id, generation, reference }, index) =>
          catalogue.outcomes.markArchived(
            { id, generation: generation, startedAt: NOW, endedAt: NOW, account: reference.account },
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
      assert.deepEqual(settled, isOurs);
      for (const [index, { id }] of jobs.entries()) {
        const row = (await catalogue.media.get(id))!;
        const { status, objectKey, sizeBytes, lengthVerified, fileName, attempts: tries } = row;
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
        assert.deepEqual([status, objectKey, sizeBytes, lengthVerified, fileName, tries], expected);
      }
      const attempts = await database.query<{ n: string }>('SELECT count(*) AS n FROM wma.attempt');
      assert.equal(Number(attempts[0]?.n), 8);
      assert.equal((await catalogue.stats.read(NOW)).byStatus.archived, 8);
    });

    it('lifts a hold that has lapsed, and notes it once', async (t) => {
      const { catalogue } = (await setup(t, backend.open))!;
      const account = 'lapsed';
      const references = ['a', 'b'].map(
        (mediaId): Reference => ({ account, mediaId, kind: 'image', sentAt: NOW }),
      );
      await catalogue.media.insert(references, NOW, false);
      const { claimed: fed } = await catalogue.queue.claim([{ account, capacity: 100 }], NOW, 1_000);
      await catalogue.accounts.hold(account, NOW, { code: 'api_unauthorized' }, NOW);
      const endedAt = new Date(NOW.getTime() + 1_000);
      const stored = { bucket: 'b', sizeBytes: 1, sha256: 'f'.repeat(64), contentType: 'image/jpeg' };
      await Promise.all(
        fed.map(({ id, generation }) =>
          catalogue.outcomes.markArchived(
            { id, generation: generation, startedAt: NOW, endedAt, account },
            { ...stored, objectKey: id, source: 'media_get', lengthVerified: true },
          ),
        ),
      );
      assert.deepEqual(await catalogue.accounts.listHolds(), []);
      const events = await catalogue.auditLog.list({ target: account }, 10);
      const releases = events.filter(({ action }) => action === 'release');
      assert.deepEqual(
        releases.map(({ actor, at }) => [actor, at]),
        [['worker', endedAt]],
      );
    });
  });
}
