/** Erasing one item: what is removed at once, what is kept until its objects are gone, and that nothing restores it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import type { MarkedItem } from '../../../src/catalogue/erasure/media-erasure.ts';
import type { Reference } from '../../../src/media.ts';
import { createCleanup } from '../../machine/cleanup.ts';
import { backends, SCHEMA, setup } from '../backends.ts';
import { dumpRows } from '../items.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const SECOND_MS = 1_000;
const DAY_MS = 24 * 3_600_000;
const at = (ms: number) => new Date(NOW.getTime() + ms);
const WHY = { actor: 'a key', reason: 'the user asked for it' };
const STORED = {
  bucket: 'b',
  sizeBytes: 7,
  sha256: 'f'.repeat(64),
  contentType: 'image/jpeg',
  fileName: 'holiday of mine.jpg',
  source: 'media_get',
  lengthVerified: true,
} as const;
/** The fields of a reference that may identify a person. */
const PERSONAL = {
  openId: 'open-id-of-a-person',
  msgId: 'msg-id-of-something',
  picUrl: 'http://mmbiz.qpic.cn/picture-of-a-person',
  text: 'what the person said',
  labels: { shop: 'label-of-something' },
} as const;

for (const backend of backends) {
  describe(`the erasure of an item on ${backend.name}`, { skip: backend.skip }, () => {
    let catalogue: Catalogue;
    let database: Database;
    const cleanup = createCleanup();
    before(async () => {
      ({ catalogue, database } = (await setup(cleanup.hooks, backend.open))!);
    });
    after(() => cleanup.run());

    let serial = 0;
    const reference = (more: Partial<Reference> = {}): Reference => ({
      account: `erase-${serial++}`,
      mediaId: 'media-id-of-something',
      kind: 'image',
      sentAt: NOW,
      ...PERSONAL,
      ...more,
    });
    async function accepted(more: Partial<Reference> = {}) {
      const given = reference(more);
      const [{ id } = { id: '' }] = await catalogue.media.insert([given], NOW, false);
      return { id, given };
    }
    async function claimedItem(more: Partial<Reference> = {}) {
      const { id, given } = await accepted(more);
      const { claimed: rows } = await catalogue.queue.claim(
        [{ account: given.account, capacity: 99 }],
        NOW,
        99,
      );
      const job = rows.find((one) => one.id === id)!;
      return { id, given, of: { id, generation: job.generation, startedAt: NOW, endedAt: at(SECOND_MS) } };
    }
    async function archived(more: Partial<Reference> = {}) {
      const { id, given, of } = await claimedItem(more);
      const objectKey = `${id}.jpg`;
      await catalogue.outcomes.reserve(of, { bucket: 'b', objectKey }, NOW);
      assert.ok(await catalogue.outcomes.markArchived(of, { ...STORED, objectKey }));
      return { id, given, of };
    }
    const take = async (id: string) => (await catalogue.mediaErasure.take([id], at(DAY_MS)))[0] as MarkedItem;
    const dump = () => dumpRows(database);

    it('removes all personal data from the row at once and keeps what finds the object', async () => {
      const { id, given, of } = await archived({ mediaId: 'media-id-to-be-gone' });
      const personal = [
        'media-id-to-be-gone',
        PERSONAL.openId,
        PERSONAL.msgId,
        PERSONAL.picUrl,
        PERSONAL.text,
        'label-of-something',
        STORED.fileName,
        STORED.sha256,
      ];
      const before = await dump();
      for (const text of personal) assert.ok(before.includes(text), `${text} was there`);
      assert.deepEqual(await catalogue.mediaErasure.erase([id], WHY, at(5 * SECOND_MS)), [id]);
      const after = await dump();
      for (const text of personal) assert.ok(!after.includes(text), `${text} is left`);
      assert.deepEqual(await catalogue.media.get(id), {
        id,
        account: given.account,
        status: 'erased',
        attempts: 0,
        bucket: 'b',
        objectKey: `${id}.jpg`,
        createdAt: at(5 * SECOND_MS),
        updatedAt: at(5 * SECOND_MS),
        erasing: { since: at(5 * SECOND_MS) },
      });
      const marked = await take(id);
      assert.deepEqual(
        [marked.generation, marked.objects],
        [of.generation, [{ bucket: 'b', key: `${id}.jpg` }]],
      );
      assert.equal(await catalogue.mediaErasure.finish(marked, at(6 * SECOND_MS)), true);
      assert.deepEqual(await catalogue.media.get(id), {
        id,
        account: given.account,
        status: 'erased',
        attempts: 0,
        createdAt: at(6 * SECOND_MS),
        updatedAt: at(6 * SECOND_MS),
        erasedAt: at(6 * SECOND_MS),
      });
      assert.equal(await take(id), undefined);
    });

    it('writes one audit entry with the actor and the reason of an erasure', async () => {
      const { id, given } = await archived();
      await catalogue.mediaErasure.erase([id], WHY, NOW);
      assert.deepEqual(await catalogue.mediaErasure.erase([id], { actor: 'another' }, at(1)), []);
      const events = await catalogue.auditLog.list({ target: id }, 9);
      assert.deepEqual(
        events.map(({ seq: _, ...event }) => event),
        [{ at: NOW, action: 'erase', target: id, accounts: [given.account], ...WHY }],
      );
    });

    it('keeps an erased item from being claimed, attempted or inserted again', async () => {
      const waiting = await accepted();
      const running = await claimedItem({ account: waiting.given.account, mediaId: 'running' });
      const object = { bucket: 'b', objectKey: 'late.jpg' };
      await catalogue.mediaErasure.erase([waiting.id, running.id], WHY, NOW);
      assert.equal(await catalogue.outcomes.reserve(running.of, object, NOW), undefined);
      assert.equal(await catalogue.uploads.record(running.of, 'upload'), false);
      assert.equal(await catalogue.outcomes.markArchived(running.of, { ...STORED, ...object }), false);
      const why = { code: 'network', class: 'transient' } as const;
      assert.equal(await catalogue.outcomes.markFailed(running.of, why, { to: 'dead' }, true), false);
      assert.equal(await catalogue.queue.requeue([running.of]), 0);
      const { claimed } = await catalogue.queue.claim(
        [{ account: waiting.given.account, capacity: 9 }],
        NOW,
        9,
      );
      assert.deepEqual(claimed, []);
      const [again] = await catalogue.media.insert([waiting.given], at(SECOND_MS), false);
      assert.deepEqual([again?.status, again?.created], ['erased', false]);
      for (const id of [waiting.id, running.id]) {
        const row = await catalogue.media.get(id);
        assert.deepEqual([row?.status, row?.openId, row?.mediaId], ['erased', undefined, undefined]);
        await catalogue.mediaErasure.finish(await take(id), at(SECOND_MS));
      }
      await catalogue.media.insert([waiting.given], at(2 * SECOND_MS), false);
      assert.equal((await catalogue.media.get(waiting.id))?.openId, undefined);
      assert.equal((await catalogue.media.get(waiting.id))?.status, 'erased');
    });

    it('keeps every object that a row has named, whichever statement changed it', async () => {
      const { id, of } = await claimedItem();
      await catalogue.outcomes.reserve(of, { bucket: 'b', objectKey: 'first.jpg' }, NOW);
      await catalogue.outcomes.reserve(of, { bucket: 'b', objectKey: 'first-pic.jpg' }, NOW);
      await catalogue.outcomes.reserve(of, { bucket: 'other', objectKey: 'a/first.jpg' }, NOW);
      await catalogue.outcomes.reserve(of, { bucket: 'b', objectKey: 'first-pic.jpg' }, NOW);
      await catalogue.uploads.record(of, 'upload-1');
      await catalogue.mediaErasure.erase([id], WHY, NOW);
      const { objects, uploadId, claimedAt } = await take(id);
      assert.deepEqual(objects.map(({ bucket, key }) => `${bucket}: ${key}`).sort(), [
        'b: first-pic.jpg',
        'b: first.jpg',
        'other: a/first.jpg',
      ]);
      assert.deepEqual([uploadId, claimedAt], ['upload-1', NOW]);
    });

    it('erases thumbs and variants with an item, and nothing of another account', async () => {
      const { id, given } = await archived({ kind: 'video' });
      const child = await archived({ account: given.account, mediaId: 'thumb', kind: 'thumb', parentId: id });
      const grandchild = await accepted({ account: given.account, mediaId: 'g', parentId: child.id });
      const foreign = await accepted({ parentId: id });
      const marked = await catalogue.mediaErasure.erase([id], WHY, NOW);
      assert.deepEqual(marked.sort(), [id, child.id, grandchild.id].sort());
      assert.equal((await catalogue.media.get(foreign.id))?.status, 'pending');
      const late = await accepted({ account: given.account, mediaId: 'late', parentId: id });
      assert.deepEqual(
        await catalogue.mediaErasure.erase([id], WHY, NOW),
        [late.id],
        'one that came since, when asked again',
      );
    });

    it('is finished by the process that has taken it, unless an object was added meanwhile', async () => {
      const { id } = await archived();
      await catalogue.mediaErasure.erase([id], WHY, NOW);
      const first = await take(id);
      const [second] = await catalogue.mediaErasure.take([id], at(2 * DAY_MS));
      assert.equal(await catalogue.mediaErasure.finish(first, NOW), false, 'another has it in hand');
      assert.ok(await catalogue.mediaErasure.reopen(id, { bucket: 'b', key: 'late.jpg' }, NOW));
      assert.equal(await catalogue.mediaErasure.finish(second!, NOW), false, 'there is more to remove');
      const third = await take(id);
      assert.ok(third.objects.some(({ key }) => key === 'late.jpg'));
      assert.equal(await catalogue.mediaErasure.finish(third, NOW), true);
    });

    it('opens an erasure again when a running attempt stores an object after its end', async () => {
      const { id } = await archived();
      await catalogue.mediaErasure.erase([id], WHY, NOW);
      await catalogue.mediaErasure.finish(await take(id), NOW);
      assert.ok(await catalogue.mediaErasure.reopen(id, { bucket: 'b', key: 'late.jpg' }, at(DAY_MS)));
      const row = await catalogue.media.get(id);
      assert.deepEqual([row?.erasedAt, row?.erasing], [undefined, { since: at(DAY_MS) }]);
      const all = await catalogue.mediaErasure.takeDue(at(DAY_MS), at(2 * DAY_MS), 99);
      const due = all.find((one) => one.id === id);
      assert.deepEqual([due?.id, due?.objects], [id, [{ bucket: 'b', key: 'late.jpg' }]]);
      assert.equal(await catalogue.mediaErasure.finish(due!, at(DAY_MS)), true);
      const alive = await archived();
      assert.equal(await catalogue.mediaErasure.reopen(alive.id, { bucket: 'b', key: 'x' }, NOW), false);
    });

    it('an erased item, a pending one and one that is not there are not among the archived', async () => {
      const [kept, erased, pending] = [await archived(), await archived(), await claimedItem()];
      await catalogue.mediaErasure.erase([erased.id], WHY, NOW);
      const ids = [kept.id, erased.id, pending.id, `m_${'0'.repeat(32)}`];
      assert.deepEqual(await catalogue.media.archivedAmong(ids), [kept.id]);
      assert.deepEqual(await catalogue.media.archivedAmong([]), []);
    });

    it('stores why an erasure is not finished and makes it due again', async () => {
      const { id } = await archived();
      await catalogue.mediaErasure.erase([id], WHY, NOW);
      const left = [
        { bucket: 'b', key: 'k', versionId: 'v1', why: 'locked', until: at(DAY_MS).toISOString() },
      ] as const;
      await catalogue.mediaErasure.postpone(await take(id), { why: 'kept', left }, at(DAY_MS), NOW);
      assert.deepEqual((await catalogue.media.get(id))?.erasing, { since: NOW, why: 'kept', left });
      const due = async (now: Date) =>
        (await catalogue.mediaErasure.takeDue(now, at(9 * DAY_MS), 99)).some((one) => one.id === id);
      assert.equal(await due(at(DAY_MS - 1)), false);
      assert.equal(await due(at(DAY_MS)), true);
      assert.equal(await due(at(DAY_MS)), false, 'another process has taken it');
    });

    it('finds items older than the retention by an index, and none that is pending', async () => {
      const old = new Date('2020-01-01T00:00:00Z');
      const { id } = await archived({ sentAt: old });
      const { id: pending } = await accepted({ sentAt: old });
      const erased = await archived({ sentAt: old });
      await catalogue.mediaErasure.erase([erased.id], WHY, NOW);
      const found = await catalogue.media.listSentBefore(new Date('2021-01-01T00:00:00Z'), 9);
      assert.deepEqual(found, [id]);
      assert.ok(!found.includes(pending));
      const plan = await database.transaction(async (transaction) => {
        // A table this small is sorted; a large one must not be.
        for (const way of ['seqscan', 'bitmapscan', 'sort'])
          await transaction.query(`SET LOCAL enable_${way} = off`);
        return await transaction.query(
          `EXPLAIN SELECT id FROM ${SCHEMA}.media WHERE sent_at < '2021-01-01'
             AND status IN ('archived', 'dead', 'expired') ORDER BY sent_at, id LIMIT 200`,
        );
      });
      assert.match(JSON.stringify(plan), /Index Scan Backward using media_sent/);
    });

    it('counts an erased item by its status', async () => {
      const { id, given } = await archived();
      await catalogue.mediaErasure.erase([id], WHY, NOW);
      const { byStatus } = await catalogue.stats.read(NOW, [given.account]);
      assert.deepEqual([byStatus.archived ?? 0, byStatus.erased], [0, 1]);
    });
  });
}
