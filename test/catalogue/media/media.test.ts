import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import { idOf } from '../../../src/media.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, SCHEMA, setup } from '../backends.ts';
import { at, attemptOf, HOUR_MS, insertOne, NOW, reference, WINDOW } from '../items.ts';

for (const backend of backends) {
  describe(`media items on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    it('inserts a reference once and reports a repeat as not created', async () => {
      const one = reference({ openId: 'o1', msgId: '22800264023876468' });
      const first = await insertOne(catalogue, one);
      assert.deepEqual(first, {
        id: idOf(one.account, one.mediaId),
        account: one.account,
        status: 'pending',
        created: true,
      });
      assert.equal((await insertOne(catalogue, one)).created, false);
      const row = await catalogue.media.get(first.id);
      assert.equal(row?.msgId, '22800264023876468');
      assert.deepEqual(row?.expiresAt, at(72 * HOUR_MS));
      assert.deepEqual(row?.closesAt, at(74 * HOUR_MS));
      assert.deepEqual(row?.waiting, { reason: 'queued' });
    });

    it('merges a repeat: keeps the earliest time and known fields, fills empty ones', async () => {
      const one = reference({ openId: 'first' });
      const { id } = await insertOne(catalogue, one);
      await insertOne(catalogue, {
        ...one,
        openId: 'second',
        picUrl: 'http://mmbiz.qpic.cn/x',
        sentAt: at(-HOUR_MS),
        labels: { a: '1' },
      });
      const row = await catalogue.media.get(id);
      assert.equal(row?.openId, 'first');
      assert.equal(row?.picUrl, 'http://mmbiz.qpic.cn/x');
      assert.deepEqual(row?.labels, { a: '1' });
      assert.deepEqual(row?.sentAt, at(-HOUR_MS));
      assert.deepEqual(row?.expiresAt, at(71 * HOUR_MS));
    });

    it('makes one row of an item that is twice in one batch', async () => {
      const one = reference();
      const other = reference();
      const answers = await catalogue.media.insert([one, other, { ...one, openId: 'late' }], NOW, true);
      assert.deepEqual(
        answers.map((answer) => answer.created),
        [true, true, false],
      );
      assert.equal((await catalogue.media.get(answers[0]!.id))?.openId, 'late');
    });

    it('inserts a file message without a media id as dead', async () => {
      const { id, status } = await insertOne(catalogue, reference({ kind: 'file', mediaId: 'msg:1' }));
      assert.equal(status, 'dead');
      assert.equal((await catalogue.media.get(id))?.failure?.code, 'not_downloadable');
    });

    it('inserts a file of WeCom, which has a media id, as pending', async () => {
      const lost = await insertOne(catalogue, reference({ kind: 'file', mediaId: 'msg:7' }));
      const found = await insertOne(catalogue, reference({ kind: 'file' }));
      assert.deepEqual([lost.status, found.status], ['dead', 'pending']);
    });

    it('lists all rows of one transaction, which have the same microsecond', async () => {
      const account = 'sql-account';
      const all = Array.from({ length: 7 }, () => reference({ account, sentAt: NOW }));
      const ids = (await catalogue.media.insert(all, NOW, false)).map(({ id }) => id);
      await database.query(
        `UPDATE ${SCHEMA}.media SET sent_at = $2::timestamptz + interval '456 microseconds',
           updated_at = $2::timestamptz + interval '456 microseconds' WHERE id = ANY ($1)`,
        [ids, NOW],
      );
      for (const sort of ['sentAt', 'updatedAt'] as const) {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await catalogue.media.list(
            { accounts: [account] },
            { sort, limit: 2, ...(cursor ? { cursor } : {}) },
          );
          seen.push(...page.items.map(({ id }) => id));
          cursor = page.items.length === 2 ? page.nextCursor : undefined;
        } while (cursor);
        assert.deepEqual(seen.toSorted(), ids.toSorted(), sort);
      }
    });

    it('by updatedAt every page has a cursor, which leads to the rows that change later', async () => {
      const account = 'polled';
      const sort = 'updatedAt';
      const list = (cursor?: string, updatedFrom?: Date) =>
        catalogue.media.list(
          { accounts: [account], ...(updatedFrom ? { updatedFrom } : {}) },
          { sort, limit: 2, ...(cursor ? { cursor } : {}) },
        );
      const empty = await list();
      assert.deepEqual([empty.items, typeof empty.nextCursor], [[], 'string']);
      const insert = async (now: Date) =>
        (await catalogue.media.insert([reference({ account, sentAt: NOW })], now, false))[0]!.id;
      const ids = [await insert(at(1)), await insert(at(2)), await insert(at(3))];
      const first = await list(empty.nextCursor);
      const second = await list(first.nextCursor);
      assert.deepEqual(
        [...first.items, ...second.items].map(({ id }) => id),
        ids,
      );
      const third = await list(second.nextCursor);
      assert.deepEqual(third.items, []);
      const later = await insert(at(4));
      const fourth = await list(third.nextCursor);
      assert.deepEqual(
        fourth.items.map(({ id }) => id),
        [later],
      );
      assert.deepEqual(
        (await list(undefined, at(3))).items.map(({ id }) => id),
        [ids[2], later],
      );
    });

    it('lists newest first in pages that neither repeat nor miss a row, with every filter', async () => {
      const account = 'list-account';
      const all = Array.from({ length: 7 }, (_, n) =>
        reference({
          account,
          sentAt: at(Math.floor(n / 2) * 1000),
          kind: n % 2 ? 'voice' : 'image',
          openId: `open-${n % 3}`,
          labels: { n: String(n) },
        }),
      );
      await catalogue.media.insert(all, NOW, false);
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await catalogue.media.list(
          { accounts: [account] },
          { sort: 'sentAt', limit: 2, ...(cursor ? { cursor } : {}) },
        );
        seen.push(...page.items.map((row) => row.mediaId!));
        cursor = page.nextCursor;
      } while (cursor);
      assert.equal(seen.length, 7);
      assert.equal(new Set(seen).size, 7);
      const count = async (filter: object) =>
        (await catalogue.media.list({ accounts: [account], ...filter }, { sort: 'updatedAt', limit: 200 }))
          .items.length;
      assert.equal(await count({ kinds: ['voice'] }), 3);
      assert.equal(await count({ openId: 'open-0' }), 3);
      assert.equal(await count({ labels: { n: '4' } }), 1);
      assert.equal(await count({ mediaIds: [all[0]!.mediaId, all[1]!.mediaId] }), 2);
      assert.equal(await count({ sentFrom: at(1000), sentTo: at(2000) }), 2);
      assert.equal(await count({ expiresBefore: at(72 * HOUR_MS + 1) }), 2);
      assert.equal(await count({ statuses: ['archived', 'dead'] }), 0);
      assert.equal(await count({ errcodes: [40007] }), 0);
      await assert.rejects(
        catalogue.media.list({}, { sort: 'updatedAt', limit: 1, cursor: 'nonsense' }),
        RangeError,
      );
    });

    it('counts by status from media_count and groups dead letters by failure', async () => {
      const before = await catalogue.stats.read(NOW);
      const account = 'dead-account';
      const all = [1, 2, 3].map(() => reference({ account }));
      await catalogue.media.insert(all, NOW, false);
      const { claimed } = await catalogue.queue.claim([{ account, capacity: 10 }], NOW, WINDOW);
      const gone = { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } as const;
      await catalogue.outcomes.markFailed(attemptOf(claimed[0]!, at(1000)), gone, { to: 'dead' }, true);
      await catalogue.outcomes.markFailed(attemptOf(claimed[1]!, at(2000)), gone, { to: 'dead' }, true);
      const after = await catalogue.stats.read(at(3000));
      assert.equal(after.byStatus.dead - before.byStatus.dead, 2);
      assert.equal(after.byStatus.pending - before.byStatus.pending, 1);
      const [counted] = await database.query<{ same: boolean }>(
        `SELECT bool_and(t.n = m.n) AS same FROM (SELECT status, sum(n) AS n FROM ${SCHEMA}.media_count GROUP BY 1 HAVING sum(n) > 0) t
         FULL JOIN (SELECT status, count(*) AS n FROM ${SCHEMA}.media GROUP BY 1) m USING (status)`,
      );
      assert.equal(counted?.same, true, 'the counts are those of the rows');
      assert.deepEqual(
        (await catalogue.stats.deadLetterGroups(50)).filter((group) => group.account === account),
        [
          {
            account,
            code: 'invalid_media_id',
            errcode: 40007,
            class: 'permanent_media',
            count: 2,
            firstAt: at(1000),
            lastAt: at(2000),
          },
        ],
      );
    });

    it('notifies a listener of new rows', async () => {
      const controller = new AbortController();
      const heard = new Promise<void>((resolve) => {
        void database
          .listen('wma_due', resolve, controller.signal)
          .then(() => catalogue.media.insert([reference()], NOW, true));
      });
      await heard;
      controller.abort();
    });
  });
}
