/** An erased item is gone from rows, jobs and bucket, whatever state it was in, and nothing brings it back. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { idOf, type Reference } from '../../src/media.ts';
import { createEraser } from '../../src/pipeline/maintenance/eraser.ts';
import { jobIdOf, toJobData } from '../../src/queue/job.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { dumpQueue } from '../queue/dump.ts';
import { type FaultyStore, openFaultyStore } from './faulty-store.ts';
import {
  A,
  type Fixture,
  idOfInput,
  itOnce,
  type Program,
  receive,
  SHAPES,
  until,
  untilEnded,
} from './shapes.ts';

const MIB = 1024 * 1024;
const WHY = { actor: 'a key', reason: 'asked for' };
const soon = () => AbortSignal.timeout(20_000);

for (const shape of SHAPES) {
  describe(`erasing with ${shape.name}`, { skip: shape.skip, timeout: 240_000 }, () => {
    const once = itOnce(shape);
    let fixture: Fixture;
    let store: FaultyStore;
    let program: Program;
    before(async () => {
      store = await openFaultyStore();
      fixture = await shape.open();
      program = await fixture.start({ env: store.env });
    });
    after(async () => {
      await fixture?.close();
      await store?.close();
    });

    const eraser = () => createEraser(program.parts, { claimAgeMs: 1_500 });
    const row = (id: string) => program.parts.catalogue.media.get(id);
    const accept = async (...inputs: Reference[]) => (await program.parts.accept(inputs)).map(({ id }) => id);
    const erase = async (id: string) => await eraser().erase([id], WHY, soon());
    const gone = (id: string) => until(`the end of ${id}`, async () => (await row(id))?.erasedAt, 60_000);
    const asked = () => fixture.simulator.requestLog.report().totals.mediaRequests;

    async function keys(): Promise<string[]> {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await program.parts.store.list({ ...(cursor && { cursor }), signal: soon() });
        found.push(...page.objects.map(({ key }) => key));
        cursor = page.cursor;
      } while (cursor);
      return found.filter((key) => !key.includes('.probe/'));
    }
    const keysOf = async (id: string) => (await keys()).filter((key) => key.includes(id));

    async function openUploads(): Promise<number> {
      const { S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3_BUCKET } = store.env;
      const client = new S3Client({
        endpoint: S3_ENDPOINT!,
        region: S3_REGION!,
        forcePathStyle: true,
        credentials: { accessKeyId: S3_ACCESS_KEY_ID!, secretAccessKey: S3_SECRET_ACCESS_KEY! },
      });
      const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: S3_BUCKET! }));
      client.destroy();
      return Uploads?.length ?? 0;
    }

    /** Everything that any part keeps, but for the logs. */
    async function dump(): Promise<string> {
      const { database, config } = program.parts;
      const tables = await database.query<{ name: string }>(
        `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'wma'`,
      );
      const texts = [JSON.stringify(await keys())];
      for (const { name } of tables)
        texts.push(JSON.stringify(await database.query(`SELECT to_jsonb(t) AS row FROM wma.${name} AS t`)));
      const redisUrl = config.redis.url;
      const pool = { query: async (text: string) => ({ rows: await database.query(text) }) };
      texts.push(
        await dumpQueue(
          redisUrl
            ? { kind: 'redis', url: redisUrl, prefix: '' }
            : { kind: 'postgres', pool: pool as never, prefix: '' },
        ),
      );
      return texts.join('\n');
    }

    it('removes an archived item at once, and duplicates of any kind do not bring it back', async () => {
      const input = { ...receive(fixture.simulator), openId: 'o-single', msgId: '77' };
      const [id] = (await accept(input)) as [string];
      const [archived] = await untilEnded(program, [id]);
      assert.equal(archived?.status, 'archived');
      assert.deepEqual(await keysOf(id), [archived.objectKey]);
      await until('the end of its feeding', async () => Date.now() - archived.archivedAt!.getTime() > 1_500);
      await erase(id);
      const erased = await row(id);
      assert.deepEqual([erased?.status, erased?.erasing, erased?.mediaId], ['erased', undefined, undefined]);
      assert.ok(erased?.erasedAt);
      assert.deepEqual(await keysOf(id), []);
      const before = asked();
      assert.deepEqual((await program.parts.accept([input]))[0]?.status, 'erased');
      const reference = { ...input, sentAt: new Date(input.sentAt!) };
      await program.board.add('archive', toJobData(reference), { jobId: id });
      await program.board.add('archive', toJobData(reference), { jobId: jobIdOf(id, 1) });
      await until('the end of both jobs', async () => {
        const jobs = await Promise.all([id, jobIdOf(id, 1)].map((jobId) => program.board.getJob(jobId)));
        return jobs.every((job) => job === undefined);
      });
      assert.equal(await program.parts.catalogue.redrives.redriveOne(id, systemClock.now(), WHY), false);
      assert.deepEqual(await row(id), erased);
      assert.ok(asked() - before <= 1, 'a job of the current generation may call once, and stores nothing');
      assert.deepEqual(await keysOf(id), []);
      assert.doesNotMatch(await dump(), /o-single|"77"/);
    });

    it('removes an item in the middle of its download', async () => {
      const input = receive(fixture.simulator, { fault: { name: 'slow', amount: 900 } });
      const before = asked();
      const [id] = (await accept(input)) as [string];
      await until('the download', async () => asked() > before);
      await erase(id);
      assert.equal((await row(id))?.status, 'erased');
      await gone(id);
      assert.deepEqual(await keysOf(id), []);
      assert.equal(asked() - before, 1);
      assert.doesNotMatch(await dump(), new RegExp(input.mediaId));
    });

    once('removes an item in the middle of its multipart upload', async () => {
      const input = receive(fixture.simulator, {
        kind: 'video',
        sizeBytes: 20 * MIB,
        fault: { name: 'trickle', amount: 250 },
      });
      const [id] = (await accept(input)) as [string];
      await until('the multipart', async () => (await openUploads()) > 0);
      await erase(id);
      await gone(id);
      assert.deepEqual(await keysOf(id), []);
      await until('the end of the multipart', async () => (await openUploads()) === 0);
      assert.doesNotMatch(await dump(), new RegExp(input.mediaId));
    });

    once(
      'removes an item that is being put while the store is away for the put and for the delete',
      async () => {
        const input = receive(fixture.simulator, { fault: { name: 'trickle', amount: 60 } });
        const [id] = (await accept(input)) as [string];
        await until('the reservation', async () => (await row(id))?.objectKey);
        await program.parts.catalogue.mediaErasure.erase([id], WHY, systemClock.now());
        store.respondWith({ status: 503, code: 'SlowDown' });
        await until('its failure is visible', async () => (await row(id))?.erasing?.why === 'failure');
        assert.equal((await row(id))?.erasedAt, undefined, 'nothing is claimed');
        store.respondWith('open');
        await gone(id);
        assert.deepEqual(await keysOf(id), []);
      },
    );

    once('removes an object that an attempt stored after the end of the erasure', async () => {
      const [id] = (await accept(receive(fixture.simulator))) as [string];
      const [archived] = await untilEnded(program, [id]);
      await erase(id);
      await gone(id);
      // As a worker that was cut off all along does at last, with the store away when it wants to clean up.
      const at = { bucket: archived!.bucket!, key: archived!.objectKey! };
      await program.parts.store.put({
        key: at.key,
        body: (async function* () {
          yield Buffer.from('late');
        })(),
        expect: { lengthBytes: 4 },
        contentType: 'audio/amr',
        contentDisposition: 'inline',
        metadata: {},
        signal: soon(),
      });
      assert.ok(await program.parts.catalogue.mediaErasure.reopen(id, at, systemClock.now()));
      await gone(id);
      assert.deepEqual(await keysOf(id), []);
    });

    once('removes an item whose erasure died after the row was marked', async () => {
      const [id] = (await accept(receive(fixture.simulator))) as [string];
      await untilEnded(program, [id]);
      await program.parts.catalogue.mediaErasure.erase([id], WHY, systemClock.now());
      await gone(id);
      assert.deepEqual(await keysOf(id), []);
    });

    it('removes items that wait and items in the queue, without a worker', async () => {
      await program.close();
      program = await fixture.start({ env: store.env, consume: false });
      const inputs = Array.from({ length: 30 }, () => ({
        ...receive(fixture.simulator),
        openId: 'o-waiting',
      }));
      const ids = await accept(...inputs);
      await until('a job', async () => await program.board.getJob(jobIdOf(ids[0]!, 1)));
      const { id } = await eraser().openRequest({ account: A, openId: 'o-waiting', ...WHY }, soon());
      for (const one of ids) await gone(one);
      await until('the end', async () => (await program.parts.catalogue.erasures.get(id))?.finishedAt);
      const text = await dump();
      assert.doesNotMatch(text, /o-waiting/);
      for (const { mediaId } of inputs) assert.ok(!text.includes(mediaId));
    });

    once('removes 300 items of a user with everything known of the user, and no item of others', async () => {
      await program.close();
      program = await fixture.start({ env: store.env });
      const mine = Array.from({ length: 300 }, (_, n) => ({
        // A few have objects. The others are files without a media id, which are dead letters at once.
        ...(n < 30
          ? receive(fixture.simulator)
          : { account: A, mediaId: `msg:of-many-${n}`, kind: 'file' as const, sentAt: new Date() }),
        openId: 'o-with-many',
        msgId: `msg-of-many-${n}`,
        labels: { shop: `label-of-many-${n}` },
        picUrl: `http://pictures.example.com/of-many-${n}`,
        text: `said-of-many-${n}`,
        ...(n % 3 === 1 ? { parentId: idOf(A, 'another-item') } : {}),
      }));
      const other = { ...receive(fixture.simulator), openId: 'o-of-another' };
      const ids = await accept(...mine, other);
      await untilEnded(program, ids, 120_000);
      const before = await dump();
      const traces = [
        'o-with-many',
        'msg-of-many',
        'label-of-many',
        'said-of-many',
        'of-many-',
        mine[7]!.mediaId,
      ];
      for (const trace of traces) assert.ok(before.includes(trace), `${trace} was there`);
      const { id } = await eraser().openRequest({ account: A, openId: 'o-with-many', ...WHY }, soon());
      const done = await until(
        'the end of the erasure',
        async () => {
          const erasure = await program.parts.catalogue.erasures.get(id);
          return erasure?.finishedAt && erasure;
        },
        60_000,
      );
      assert.deepEqual([done.state, done.total, done.done], ['done', 300, 300]);
      const after = await dump();
      for (const trace of traces) assert.ok(!after.includes(trace), `${trace} is left`);
      for (const one of mine) assert.ok(!after.includes(one.mediaId));
      assert.ok(fixture.logLines.every((line) => !line.includes('o-with-many')));
      assert.deepEqual(await keys(), await keysOf(idOfInput(other)));
      assert.equal((await row(idOfInput(other)))?.status, 'archived');
    });

    once('removes what is older than its retention', async () => {
      await program.close();
      // A sixtieth, as all of policy: a second.
      program = await fixture.start({ env: { ...store.env, RETENTION: '1m' } });
      const [id] = (await accept(receive(fixture.simulator))) as [string];
      await untilEnded(program, [id]);
      await gone(id);
      const [event] = await program.parts.catalogue.auditLog.list({ target: id }, 9);
      assert.deepEqual([event?.actor, event?.action], ['retention', 'erase']);
    });
  });
}
