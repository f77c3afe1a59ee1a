/** The bucket is checked before an item is given up, and catalogue and bucket can be compared. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type {
  Verification,
  VerificationKind,
  VerificationOptions,
} from '../../src/catalogue/verification/verifications.ts';
import { idOf, keyPrefixOf, type Reference } from '../../src/media.ts';
import { metadataOf } from '../../src/pipeline/archive/object-metadata.ts';
import { driftOf } from '../../src/pipeline/verify/verifier.ts';
import {
  A,
  B,
  type Fixture,
  itOnce,
  type Program,
  receive,
  SHAPES,
  sha256Of,
  until,
  untilEnded,
} from './shapes.ts';

const MIB = 1024 * 1024;
const soon = () => AbortSignal.timeout(20_000);

for (const shape of SHAPES) {
  describe(`what is stored, with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
    const once = itOnce(shape);
    let fixture: Fixture;
    let program: Program;
    before(async () => {
      fixture = await shape.open();
      program = await fixture.start();
    });
    after(() => fixture?.close());

    const query = (text: string, values: unknown[] = []) => program.parts.database.query(text, values);
    const rowOf = async (id: string) => (await program.parts.catalogue.media.get(id))!;
    const asked = (mediaId: string) => fixture.simulator.requestLog.report().media[mediaId]?.requests ?? 0;

    async function archived(count: number, wish: Parameters<typeof receive>[1] = {}) {
      const inputs = Array.from({ length: count }, () => receive(fixture.simulator, wish));
      const ids = (await program.parts.accept(inputs)).map(({ id }) => id);
      const rows = await untilEnded(program, ids);
      assert.ok(rows.every((row) => row.status === 'archived'));
      return rows;
    }

    async function put(key: string, body: Buffer, metadata: Record<string, string>): Promise<void> {
      await program.parts.store.put({
        key,
        body: (async function* () {
          yield body;
        })(),
        contentType: 'image/png',
        contentDisposition: 'inline',
        metadata,
        signal: soon(),
      });
    }

    /** As a worker leaves it that died after the last byte: the object is there, the row does not know. */
    async function putAsWorker(reference: Reference, body: Buffer, extension = 'png'): Promise<string> {
      const id = idOf(reference.account, reference.mediaId);
      const key = `${keyPrefixOf({ prefix: '', ...reference, id })}.${extension}`;
      await put(key, body, metadataOf(id, reference, 'media_get'));
      return key;
    }

    async function compare(kind: VerificationKind, options: VerificationOptions = {}): Promise<Verification> {
      const { verifications } = program.parts.catalogue;
      const by = 'tester';
      const id = await verifications.create({ kind, options, by, reason: 'a test' }, new Date());
      return await until(`the end of ${kind}`, async () => {
        const state = await verifications.get(id);
        return state?.state === 'done' && state;
      });
    }
    const findings = async ({ id }: Verification) =>
      (await program.parts.catalogue.verifications.findings(id, 0, 1000)).map(({ what, id, objectKey }) => ({
        what,
        id,
        objectKey,
      }));

    it('reads back what is archived, and finds what was lost, cut, altered and swapped since', async () => {
      const rows = [...(await archived(6)), ...(await archived(1, { kind: 'video', sizeBytes: 9 * MIB }))];
      const whole = await compare('verify');
      assert.deepEqual(whole.counts, { ok: 7 });
      assert.deepEqual([whole.done, whole.total], [7, 7]);
      assert.equal(
        whole.bytes,
        rows.reduce((sum, row) => sum + row.sizeBytes!, 0),
      );

      const [lost, cut, altered, swapped] = rows;
      const metadata = (row: typeof lost) => ({ id: row!.id });
      await program.parts.store.delete(lost!.objectKey!, soon());
      await put(cut!.objectKey!, Buffer.alloc(cut!.sizeBytes! - 1), metadata(cut));
      await put(altered!.objectKey!, Buffer.alloc(altered!.sizeBytes!), metadata(altered));
      await put(swapped!.objectKey!, Buffer.alloc(swapped!.sizeBytes!), metadata(cut));
      const before = await program.parts.catalogue.media.list({}, { sort: 'sentAt', limit: 50 });
      const drifted = await compare('verify', { rate: { objectsPerSecond: 1000 } });
      assert.deepEqual(drifted.counts, { ok: 3, missing: 1, wrongSize: 1, wrongDigest: 1, otherMedia: 1 });
      assert.equal(driftOf(drifted.counts), 4);
      const expected = { missing: lost, wrongSize: cut, wrongDigest: altered, otherMedia: swapped };
      assert.deepEqual(
        (await findings(drifted)).sort((a, b) => (a.what < b.what ? -1 : 1)),
        Object.entries(expected)
          .map(([what, row]) => ({ what, id: row!.id, objectKey: row!.objectKey! }))
          .sort((a, b) => (a.what < b.what ? -1 : 1)),
      );
      // By the headers alone, in both directions.
      const { counts } = await compare('orphans');
      assert.deepEqual(
        [counts.missing, counts.wrongSize, counts.wrongDigest, counts.otherMedia, counts.known],
        [1, 1, 1, 1, 6],
      );
      assert.deepEqual(
        await program.parts.catalogue.media.list({}, { sort: 'sentAt', limit: 50 }),
        before,
        'nothing changed',
      );
      await query(`DELETE FROM wma.media WHERE id = ANY ($1)`, [
        [lost, cut, altered, swapped].map((row) => row!.id),
      ]);
      for (const row of [cut, altered, swapped]) await program.parts.store.delete(row!.objectKey!, soon());
    });

    once('verifies a part: an account, a time, a sample', async () => {
      await archived(12, { account: B });
      assert.deepEqual((await compare('verify', { filter: { accounts: [B] } })).counts, { ok: 12 });
      const ago = new Date(Date.now() - 3_600_000).toISOString();
      assert.deepEqual((await compare('verify', { filter: { sentTo: ago } })).counts, {});
      const sample = await compare('verify', { sample: 8 });
      assert.equal(sample.total, 8);
      assert.ok((sample.counts.ok ?? 0) >= 2 && sample.counts.ok! <= 8, JSON.stringify(sample.counts));
      assert.equal(driftOf(sample.counts), 0);
    });

    it('restores rows from objects: rows of a restored dump, and rows that are missing', async () => {
      const rows = await archived(4);
      const [gone, pending, dead, erased] = rows.map(({ id }) => id);
      await query('DELETE FROM wma.media WHERE id = $1', [gone]);
      // As in a dump of before: accepted, given up, and one that was erased since, whose object a backup brought back.
      const held = new Date(Date.now() + 3_600_000);
      const why = { code: 'held_by_hand', class: 'account' } as const;
      await program.parts.catalogue.accounts.holdByHand(A, held, why, new Date());
      const forget = `bucket = NULL, object_key = NULL, size_bytes = NULL, sha256 = NULL, archived_at = NULL`;
      await query(`UPDATE wma.media SET status = 'pending', stage = 1, ${forget} WHERE id = $1`, [pending]);
      await query(`UPDATE wma.media SET status = 'dead', ${forget} WHERE id = $1`, [dead]);
      await query(
        `UPDATE wma.media SET status = 'erased', ${forget}, media_id = NULL, kind = NULL, sent_at = NULL WHERE id = $1`,
        [erased],
      );
      await put('holiday.png', Buffer.from('not ours'), {});
      const stranger = `wx1/2026/01/01/m_${'0'.repeat(32)}`;
      await put(`${stranger}.png`, Buffer.from('no metadata'), {});
      await put(`${stranger}-pic.png`, Buffer.from('lies'), { id: `m_${'0'.repeat(32)}`, account: 'wx1' });

      const dry = await compare('adopt', { dryRun: true });
      assert.deepEqual([dry.counts.adoptable, dry.counts.foreign, dry.counts.erased], [3, 3, 1]);
      assert.equal(await program.parts.catalogue.media.get(gone!), undefined);
      const { counts } = await compare('adopt');
      assert.deepEqual([counts.adopted, counts.foreign, counts.erased], [3, 3, 1]);
      assert.equal((await rowOf(erased!)).status, 'erased');
      for (const [index, id] of [gone, pending, dead].entries()) {
        const row = await rowOf(id!);
        const was = rows[index]!;
        for (const field of [
          'status',
          'account',
          'mediaId',
          'kind',
          'sha256',
          'sizeBytes',
          'objectKey',
        ] as const)
          assert.equal(row[field], was[field], field);
        assert.deepEqual(
          [row.sentAt, row.contentType, row.source],
          [was.sentAt, was.contentType, was.source],
        );
        assert.equal((await program.parts.catalogue.media.attempts(id!)).at(-1)?.outcome, 'adopted');
        const [event] = await program.parts.catalogue.auditLog.list({ target: id! }, 1);
        assert.deepEqual([event?.action, event?.actor, event?.reason], ['adopt', 'tester', 'a test']);
      }
      assert.deepEqual((await compare('adopt')).counts.adopted, undefined, 'once');
      await program.parts.catalogue.accounts.release(A, new Date());
      // The foreign objects stay where they are.
      const keys = [...(await fixture.objects(program)).keys()];
      for (const key of ['holiday.png', `${stranger}.png`, `${stranger}-pic.png`])
        assert.ok(keys.includes(key));
    });

    once('removes what a lost race left behind, once it is old enough, and nothing else', async () => {
      const [row] = await archived(1);
      const reference = { account: A, mediaId: row!.mediaId!, kind: row!.kind!, sentAt: row!.sentAt! };
      const leftover = await putAsWorker(reference, Buffer.from('the other worker'), 'left');
      const young = await compare('orphans', { remove: true });
      assert.equal(young.counts.removed, undefined);
      assert.equal(young.counts.leftover, 1);
      await program.close();
      program = await fixture.start({ sweeping: { safeAgeMs: 0 } });
      const reported = await compare('orphans');
      assert.equal(reported.counts.leftover, 1);
      const { counts } = await compare('orphans', { remove: true });
      // With the object of the erased media above.
      assert.equal(counts.removed, 2);
      const keys = [...(await fixture.objects(program)).keys()];
      assert.ok(!keys.includes(leftover));
      assert.ok(keys.includes(row!.objectKey!) && keys.includes('holiday.png'));
    });

    once('stops on request, and continues where it was when a sweeper dies', async () => {
      await program.close();
      program = await fixture.start({ sweeping: { pageMs: 200 } });
      const { verifications } = program.parts.catalogue;
      const slow = { rate: { objectsPerSecond: 8 } };
      const id = await verifications.create({ kind: 'verify', options: slow, by: 'tester' }, new Date());
      const part = await until('a first page', async () => {
        const state = await verifications.get(id);
        return (state?.done ?? 0) > 0 && state;
      });
      assert.ok(part.done < part.total!);
      await program.close();
      program = await fixture.start({ sweeping: { pageMs: 200 } });
      const further = await until('a second page', async () => {
        const state = await program.parts.catalogue.verifications.get(id);
        return (state?.done ?? 0) > part.done && state;
      });
      assert.equal(further.counts.ok, further.done, 'none is counted twice');
      const stopped = await program.parts.catalogue.verifications.stop(id, 'tester', new Date());
      assert.equal(stopped?.state, 'stopped');
      assert.deepEqual((await compare('verify')).state, 'done', 'the next one has its turn');
      assert.equal((await program.parts.catalogue.verifications.get(id))?.state, 'stopped');
    });

    once('finds what an earlier attempt had stored, and does not call WeChat', async () => {
      await program.close();
      program = await fixture.start({ consume: false });
      const input = receive(fixture.simulator, { kind: 'image' });
      const [{ id }] = (await program.parts.accept([input])) as unknown as [{ id: string }];
      await until(
        'its first dispatch',
        async () => (await query('SELECT 1 FROM wma.media WHERE id = $1 AND stage = 2', [id])).length > 0,
      );
      const reference = input;
      const key = await putAsWorker(reference, Buffer.from('all the bytes'));
      await query('UPDATE wma.media SET bucket = $2, object_key = $3 WHERE id = $1', [
        id,
        program.parts.store.bucket,
        key,
      ]);
      await fixture.purge(program);
      await program.consume();
      const [row] = await untilEnded(program, [id]);
      assert.deepEqual([row!.status, row!.objectKey, row!.sizeBytes], ['archived', key, 13]);
      assert.equal(asked(input.mediaId), 0);
      const [last] = (await program.parts.catalogue.media.attempts(id)).slice(-1);
      assert.equal(last?.outcome, 'adopted');
    });

    once('checks the bucket before it gives up an item that WeChat no longer knows', async () => {
      const unknown = { account: A, mediaId: 'never-sent', kind: 'image' as const, sentAt: new Date() };
      const key = await putAsWorker(unknown, Buffer.from('from before the dump'));
      const missing = { ...unknown, mediaId: 'never-sent-either' };
      const given = [unknown, missing];
      const ids = (await program.parts.accept(given)).map(({ id }) => id);
      const [found, lost] = await untilEnded(program, ids);
      assert.deepEqual([found!.status, found!.objectKey], ['archived', key]);
      assert.equal(lost!.status, 'dead');
    });

    once('checks the bucket before it closes an expired item', async () => {
      const held = new Date(Date.now() + 3_600_000);
      await program.parts.catalogue.accounts.holdByHand(
        B,
        held,
        { code: 'held_by_hand', class: 'account' },
        new Date(),
      );
      const sentAt = new Date(Date.now() - 3 * 3_600_000);
      const stored = { account: B, mediaId: 'stored-in-time', kind: 'image' as const, sentAt };
      const lost = { ...stored, mediaId: 'not-stored-in-time' };
      const key = await putAsWorker(stored, Buffer.from('in time'));
      const given = [stored, lost];
      const ids = (await program.parts.accept(given)).map(({ id }) => id);
      await query('UPDATE wma.media SET attempts = 1 WHERE id = ANY ($1)', [ids]);
      const [first, second] = await untilEnded(program, ids);
      assert.deepEqual([first!.status, first!.objectKey, second!.status], ['archived', key, 'expired']);
      await program.parts.catalogue.accounts.release(B, new Date());
    });

    once('leaves an upload recorded where it stands, whatever key the row has by then', async () => {
      const { catalogue, store } = program.parts;
      const input = receive(fixture.simulator, {
        kind: 'video',
        sizeBytes: 20 * MIB,
        fault: { name: 'stall', times: 1 },
      });
      const [{ id }] = (await program.parts.accept([input])) as unknown as [{ id: string }];
      await until('an open upload', async () => (await fixture.openUploads()) === 1);
      const before = await until('its record', async () => {
        const [row] = await query('SELECT object_key, upload_key, upload_id FROM wma.media WHERE id = $1', [
          id,
        ]);
        return row?.upload_id ? row : undefined;
      });
      assert.equal(before.upload_key, before.object_key);
      // Another attempt takes over with another key, and dies before it aborts what is left.
      const [{ generation }] = (await query(
        'UPDATE wma.media SET generation = generation + 1, claimed_at = now() WHERE id = $1 RETURNING generation',
        [id],
      )) as [{ generation: number }];
      const left = await catalogue.outcomes.reserve(
        { id, generation },
        { bucket: store.bucket, objectKey: 'elsewhere.mp4' },
        new Date(),
      );
      assert.equal(left?.leftObjectKey, before.upload_key);
      await catalogue.queue.requeue([{ id, generation }]);
      const [row] = await untilEnded(program, [id], 60_000);
      assert.equal(row!.sha256, await sha256Of(fixture.simulator, input));
      await until('no open upload', async () => (await fixture.openUploads()) === 0);
    });
  });
}
