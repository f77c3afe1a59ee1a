/** Requests to erase many items: by the openId of a person, or by their ids. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { idOf } from '../../../src/media.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, setup } from '../backends.ts';
import { at, dumpRows, HOUR_MS, insertOne, NOW, reference } from '../items.ts';

const DAY_MS = 24 * HOUR_MS;
const WHY = { actor: 'a key', reason: 'the user asked for it' };

for (const backend of backends) {
  describe(`requests to erase many items on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    it('erases all items of an openId in batches and removes the openId with the last one', async () => {
      const account = reference().account;
      const openId = 'open-id-of-many';
      const mine = Array.from({ length: 7 }, (_, n) => reference({ account, mediaId: `m${n}`, openId }));
      const others = [
        reference({ account, mediaId: 'not mine', openId: 'another person' }),
        reference({ openId }),
        reference({ account, mediaId: 'sent later', openId, sentAt: at(3 * DAY_MS) }),
      ];
      await catalogue.media.insert(mine, NOW, false);
      await catalogue.media.insert(others, at(3 * DAY_MS), false);
      const given = { account, openIdCiphertext: 'encrypted-open-id', ...WHY };
      const id = await catalogue.erasures.createForOpenId(given, at(DAY_MS), at(DAY_MS));
      const open = (await catalogue.erasures.claimUnmarked(at(DAY_MS), at(2 * DAY_MS)))!;
      assert.deepEqual(open, { id, ...given, createdAt: at(DAY_MS) });
      assert.equal(
        await catalogue.erasures.claimUnmarked(at(DAY_MS), at(2 * DAY_MS)),
        undefined,
        'another process has taken it',
      );
      const again = await catalogue.erasures.claimUnmarked(at(2 * DAY_MS), at(3 * DAY_MS));
      assert.equal(again?.id, id, 'the claim has lapsed');
      const marks = [];
      for (let n = 0; n < 4; n++) marks.push(await catalogue.erasures.markNext(open, openId, 3, at(DAY_MS)));
      assert.deepEqual(marks, [true, true, true, false]);
      assert.ok(!(await dumpRows(database)).includes('encrypted-open-id'));
      assert.equal((await catalogue.erasures.get(id))?.state, 'running');
      assert.equal((await catalogue.erasures.get(id))?.total, 7);
      const taken = await catalogue.mediaErasure.takeOfErasure(id, at(DAY_MS), at(2 * DAY_MS), 99);
      assert.deepEqual(
        taken.map((one) => one.id).sort(),
        mine.map((one) => idOf(account, one.mediaId)).sort(),
      );
      for (const one of taken) assert.ok(await catalogue.mediaErasure.finish(one, at(2 * DAY_MS)));
      await catalogue.erasures.finishDone(at(2 * DAY_MS));
      assert.deepEqual(await catalogue.erasures.get(id), {
        id,
        account,
        ...WHY,
        state: 'done',
        total: 7,
        done: 7,
        removed: [{ kind: 'image', count: 7, files: 0, bytes: 0 }],
        createdAt: at(DAY_MS),
        finishedAt: at(2 * DAY_MS),
        unfinished: [],
      });
      for (const one of others)
        assert.equal((await catalogue.media.get(idOf(one.account, one.mediaId)))?.status, 'pending');
    });

    it('erases the given ids that belong to the account and returns the others', async () => {
      const [one, another] = [reference(), reference()];
      const mine = await insertOne(catalogue, one);
      const other = await insertOne(catalogue, another);
      const unknown = idOf('unknown', 'nothing');
      const given = { account: one.account, ids: [mine.id, other.id, unknown], ...WHY };
      const { id, notFound } = await catalogue.erasures.createForIds(given, NOW);
      assert.deepEqual(notFound, [other.id, unknown]);
      const { state, total, done, unfinished } = (await catalogue.erasures.get(id))!;
      assert.deepEqual([state, total, done, unfinished], ['running', 1, 0, [{ id: mine.id, since: NOW }]]);
      assert.equal((await catalogue.media.get(other.id))?.status, 'pending');
    });
  });
}
