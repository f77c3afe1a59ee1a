/** The producer with a real Postgres and a real Redis, available and unavailable. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Catalogue, createCatalogue } from '../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../src/catalogue/database/database.ts';
import { migrate } from '../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../src/catalogue/database/postgres.ts';
import { idOf } from '../../src/media.ts';
import type { ProducerOptions } from '../../src/producer/options.ts';
import { createProducer, type Producer } from '../../src/producer/producer.ts';
import type { ArchiveJob } from '../../src/queue/consumer.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { createLog } from '../../src/runtime/log.ts';
import { lifetimes } from '../catalogue/backends.ts';
import { run } from '../machine/server.ts';
import { missing, postgresForTest, redisForTest, startPostgres, startRedis } from '../machine/services.ts';

const ACCOUNT = 'wx0123456789abcdef';
const log = createLog({ level: 'silent', program: 'test', secrets: [] });
const IMAGE = { MsgType: 'image', MediaId: 'media-1', FromUserName: 'o1', CreateTime: '1777636800' };

function open(t: TestContext, options: ProducerOptions): Producer {
  const producer = createProducer(options);
  t.after(() => producer.close());
  return producer;
}

/** A database on which an archiver has been started once. */
async function prepare(t: TestContext, url: string): Promise<Catalogue> {
  const pool = createPostgresPool({ url, searchPath: 'wma', maxConnections: 2, log });
  t.after(() => pool.end());
  const database = createDatabase(pool);
  await migrate(database, 'wma', new Date());
  const catalogue = createCatalogue(database, 'wma', lifetimes);
  await catalogue.accounts.ensure([ACCOUNT]);
  return catalogue;
}

/** Accepts connections and never responds. */
async function silentServer(t: TestContext): Promise<number> {
  const server = createServer((socket) => t.after(() => socket.destroy()));
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

async function rejectsWithin(ms: number, work: Promise<unknown>, error: object): Promise<void> {
  const startedAt = performance.now();
  await assert.rejects(work, error);
  assert.ok(performance.now() - startedAt < ms, `after ${performance.now() - startedAt} ms`);
}

test('rows: a message is durable when archive resolves, and a repeat changes nothing', {
  skip: missing.postgres,
}, async (t) => {
  const databaseUrl = (await postgresForTest(t))!;
  const catalogue = await prepare(t, databaseUrl);
  const producer = open(t, { account: ACCOUNT, databaseUrl });
  const id = idOf(ACCOUNT, 'media-1');
  const expected = [{ id, account: ACCOUNT, mediaId: 'media-1', kind: 'image', status: 'pending' }];
  assert.deepEqual(await producer.archive(IMAGE), expected);
  const row = await catalogue.media.get(id);
  assert.equal(row?.openId, 'o1');
  assert.deepEqual(row?.expiresAt, new Date(1_777_636_800_000 + 72 * 3_600_000));
  assert.deepEqual(await producer.archive([IMAGE, { MsgType: 'text', Content: 'hi' }, IMAGE]), [
    ...expected,
    ...expected,
  ]);
  assert.deepEqual((await catalogue.media.get(id))?.updatedAt, row?.updatedAt);
});

test('rows: a call names the trace of its items, and an invalid one fails the call', {
  skip: missing.postgres,
}, async (t) => {
  const databaseUrl = (await postgresForTest(t))!;
  const catalogue = await prepare(t, databaseUrl);
  const producer = open(t, { account: ACCOUNT, databaseUrl });
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const own = traceparent.replace(/01$/, '00');
  const [message, reference] = await producer.archive(
    [IMAGE, { mediaId: 'media-2', kind: 'image', traceparent: own }],
    { traceparent },
  );
  assert.equal((await catalogue.media.get(message!.id))?.traceparent, traceparent);
  assert.equal((await catalogue.media.get(reference!.id))?.traceparent, own);
  await assert.rejects(producer.archive(IMAGE, { traceparent: 'x' }), { code: 'invalid' });
});

test('rows: an unknown account or one invalid item fails the whole call', {
  skip: missing.postgres,
}, async (t) => {
  const databaseUrl = (await postgresForTest(t))!;
  const catalogue = await prepare(t, databaseUrl);
  const producer = open(t, { account: ACCOUNT, databaseUrl });
  const unknown = { mediaId: 'media-2', kind: 'image', account: 'shop' } as const;
  await assert.rejects(producer.archive([IMAGE, unknown]), { code: 'unknown_account', message: /shop/ });
  await assert.rejects(producer.archive([IMAGE, { MsgType: 'image' }]), { code: 'invalid' });
  assert.equal(await catalogue.media.get(idOf(ACCOUNT, 'media-1')), undefined);
  await catalogue.accounts.ensure(['shop']);
  assert.equal((await producer.archive(unknown))[0]?.account, 'shop');
  assert.equal((await producer.archive(IMAGE, { account: 'shop' }))[0]?.id, idOf('shop', 'media-1'));
});

test('rows: a database without the schema, or that does not exist, is named in the error', {
  skip: missing.postgres,
}, async (t) => {
  const databaseUrl = (await postgresForTest(t))!;
  const producer = open(t, { account: ACCOUNT, databaseUrl });
  await assert.rejects(producer.archive(IMAGE), { code: 'misconfigured', message: /start the archiver/ });
  const nowhere = new URL(databaseUrl);
  nowhere.pathname = '/nowhere';
  const other = open(t, { account: ACCOUNT, databaseUrl: nowhere.href });
  await assert.rejects(other.archive(IMAGE), { code: 'misconfigured', message: /does not exist/ });
});

test('rows: a Postgres that is down costs two seconds at most, and works again after its restart', {
  skip: missing.postgresServer,
}, async (t) => {
  const server = (await startPostgres(t))!;
  await prepare(t, server.url);
  const producer = open(t, { account: ACCOUNT, databaseUrl: server.url });
  await producer.archive(IMAGE);
  await server.stop();
  await rejectsWithin(3_000, producer.archive(IMAGE), { code: 'unavailable' });
  await server.start();
  assert.equal((await producer.archive(IMAGE))[0]?.status, 'pending');
});

test('a server that never responds costs timeoutMs, and close does not hang', async (t) => {
  const port = await silentServer(t);
  const silent = { account: ACCOUNT, timeoutMs: 300 };
  const rows = createProducer({ ...silent, databaseUrl: `postgres://u:secret@127.0.0.1:${port}/wma` });
  const jobs = createProducer({ ...silent, redisUrl: `redis://:secret@127.0.0.1:${port}` });
  for (const producer of [rows, jobs]) {
    await rejectsWithin(1_500, producer.archive(IMAGE), { code: 'unavailable' });
    const startedAt = performance.now();
    await producer.close();
    assert.ok(performance.now() - startedAt < 6_000);
    await assert.rejects(producer.archive(IMAGE), { code: 'misused', message: /closed/ });
  }
});

test('jobs: a worker gets the reference with the id of its media item as job id', {
  skip: missing.redis,
}, async (t) => {
  const { url, prefix } = (await redisForTest(t))!;
  const producer = open(t, { account: ACCOUNT, redisUrl: url, prefix });
  const id = idOf(ACCOUNT, 'media-1');
  assert.deepEqual(await producer.archive([IMAGE, IMAGE]), [
    { id, account: ACCOUNT, mediaId: 'media-1', kind: 'image' },
    { id, account: ACCOUNT, mediaId: 'media-1', kind: 'image' },
  ]);
  const queue = await openArchiveQueue({ kind: 'redis', url, prefix }, { log });
  t.after(() => queue.close());
  assert.equal((await queue.counts()).waiting, 1);
  const arrived = Promise.withResolvers<ArchiveJob>();
  const consumer = await queue.consume(
    async (job) => {
      arrived.resolve(job);
      return { action: 'finish', result: 'seen' };
    },
    { concurrency: 1 },
  );
  t.after(() => consumer.close(1_000));
  const job = await arrived.promise;
  assert.deepEqual([job.jobId, job.id, job.generation], [id, id, undefined]);
  assert.equal(job.reference.openId, 'o1');
});

test('jobs: a Redis that is down costs two seconds at most, at the start too', {
  skip: missing.redisServer,
}, async (t) => {
  const server = (await startRedis(t))!;
  await server.stop();
  const producer = open(t, { account: ACCOUNT, redisUrl: server.url });
  await rejectsWithin(3_000, producer.archive(IMAGE), { code: 'unavailable' });
  await server.start();
  for (let attempts = 0; ; attempts++) {
    try {
      assert.equal((await producer.archive(IMAGE)).length, 1);
      break;
    } catch (error) {
      if (attempts > 10) throw error;
    }
  }
});

for (const [options, message] of [
  [{ databaseUrl: 'postgres://localhost/wma' }, /account is missing/],
  [{ account: 'wx1' }, /set databaseUrl/],
  [{ account: 'wx1', databaseUrl: 'postgres://h/d', redisUrl: 'redis://h' }, /not both/],
  [{ account: 'wx1', databaseUrl: 'postgres://u:p#ssword@h/d' }, /percent-encoded/],
  [{ account: 'wx1', databaseUrl: 'mysql://u:secret@h/d' }, /postgres:\/\//],
  [{ account: 'wx1', databaseUrl: 'postgres://h/d', schema: 'wma; drop' }, /schema/],
  [{ account: 'wx1', redisUrl: 'http://u:secret@h' }, /redis:\/\//],
  [{ account: 'wx1', redisUrl: 'redis://h', prefix: 'a b' }, /prefix/],
] as const) {
  test(`refuses ${JSON.stringify(options)} without quoting a secret`, () => {
    let thrown: unknown;
    try {
      createProducer(options as unknown as ProducerOptions);
    } catch (error) {
      thrown = error;
    }
    assert.ok(thrown instanceof Error);
    assert.match(thrown.message, message);
    assert.doesNotMatch(`${thrown.stack}`, /secret|p#ssword/);
  });
}

/** Delays loading the module of the queue, as on a busy machine. */
const SLOW_LOADER = `data:text/javascript,${encodeURIComponent(`
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(\`
    export async function load(url, context, next) {
      const loaded = await next(url, context);
      if (!url.endsWith('/src/queue/queue.ts')) return loaded;
      const source = 'await new Promise((resolve) => setTimeout(resolve, 2500));' + loaded.source;
      return { ...loaded, source };
    }\`));
`)}`;

test('jobs: loading BullMQ does not count towards the time limit of the first call', {
  skip: missing.redis,
}, async (t) => {
  const { url, prefix } = (await redisForTest(t))!;
  const producer = new URL('../../src/producer/producer.ts', import.meta.url).href;
  const program = `
    import { createProducer } from ${JSON.stringify(producer)};
    const producer = createProducer(${JSON.stringify({ account: ACCOUNT, redisUrl: url, prefix })});
    console.log((await producer.archive(${JSON.stringify(IMAGE)}))[0].id);
    await producer.close();
  `;
  const args = ['--import', SLOW_LOADER, '--input-type=module', '--eval', program];
  const { stdout } = await run(process.execPath, args, { timeout: 60_000 });
  assert.equal(stdout.trim(), idOf(ACCOUNT, 'media-1'));
});
