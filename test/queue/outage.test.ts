/** The backend becomes unavailable and comes back: no call waits without a limit, and no restart is needed. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { QUEUE_POOL_OPTIONS, type QueueBackend } from '../../src/queue/backend.ts';
import type { JobResult } from '../../src/queue/job-result.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { createLog } from '../../src/runtime/log.ts';
import { missing, postgresForTest, startPostgres, startRedis } from '../machine/services.ts';
import { createHandled, entryOf, eventually, failed, finish, isIdle } from './handled.ts';

const FAST = { concurrency: 2, lockDurationMs: 2_000, stalledIntervalMs: 1_000, internalRetryMs: 100 };

function recordLog() {
  const lines: { level: number; msg: string }[] = [];
  const log = createLog({
    level: 'info',
    program: 'test',
    secrets: [],
    write: (line) => lines.push(JSON.parse(line)),
  });
  return { log, lines, logged: (words: RegExp) => lines.filter((line) => words.test(line.msg)).length };
}

async function setup(t: TestContext, backend: QueueBackend) {
  const record = recordLog();
  const queue = await openArchiveQueue(backend, { log: record.log });
  t.after(() => queue.close());
  return { queue, ...record };
}

async function rejectsSoon(work: Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await assert.rejects(work);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs < 10_000, `took ${tookMs} ms`);
}

/** Redis responds before every client has reconnected. */
const untilAdded = (queue: { add(jobs: ReturnType<typeof entryOf>[]): Promise<void> }, mediaId: string) =>
  eventually(`${mediaId} is added`, () =>
    queue.add([entryOf(mediaId)]).then(
      () => true,
      () => false,
    ),
  );

describe('while Redis is unavailable', { skip: missing.redisServer }, () => {
  test('adding a job fails soon, and the queue works again when the server is back', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    const { queue, lines, logged } = await setup(t, { kind: 'redis', url: redis.url, prefix: '{wma}' });
    const handled = createHandled();
    const consumer = await queue.consume(handled.handler, FAST);
    t.after(() => consumer.close(0));
    await queue.add([entryOf('before')]);
    await handled.until(1);

    await redis.stop();
    await rejectsSoon(queue.add([entryOf('during')]));
    await rejectsSoon(queue.lost(['m_1-1']));
    await rejectsSoon(queue.counts());
    await redis.start();
    await untilAdded(queue, 'after');
    await handled.until(2);
    assert.equal(handled.jobs.at(-1)?.reference.mediaId, 'after');
    assert.equal(logged(/Redis unavailable/), 1);
    assert.equal(logged(/Redis available again/), 1);
    assert.ok(lines.length < 10, `${lines.length} lines:\n${lines.map((line) => line.msg).join('\n')}`);
  });

  test('the queue reconnects to a demoted server all the time, and logs that once', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    const { queue, logged } = await setup(t, { kind: 'redis', url: redis.url, prefix: '{wma}' });
    const admin = new Redis(redis.url);
    t.after(() => admin.disconnect());
    const connections = async () =>
      Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1]);
    const before = await connections();
    await admin.replicaof('127.0.0.1', '1');
    await eventually('four more connections', async () => {
      await queue.probe().catch(() => undefined);
      return (await connections()) >= before + 4;
    });
    assert.equal(logged(/Redis unavailable/), 1);
    assert.ok(logged(/Redis available again/) <= 1);
  });

  test('the queue opens, takes a consumer and works as soon as Redis starts', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    await redis.stop();
    const { queue, logged } = await setup(t, { kind: 'redis', url: redis.url, prefix: '{wma}' });
    assert.equal(logged(/Redis unavailable/), 1);
    const handled = createHandled();
    const consumer = await queue.consume(handled.handler, FAST);
    t.after(() => consumer.close(0));
    await rejectsSoon(queue.add([entryOf('a')]));
    await redis.start();
    await untilAdded(queue, 'b');
    await handled.until(1);
  });

  test('queue and consumer close', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    const { queue, logged } = await setup(t, { kind: 'redis', url: redis.url, prefix: '{wma}' });
    const handled = createHandled(() => new Promise<JobResult>(() => {}));
    const consumer = await queue.consume(handled.handler, { ...FAST, abortMs: 200 });
    await queue.add([entryOf('a')]);
    await handled.until(1);
    await redis.stop();
    const neverUp = await queue.consume(handled.handler, FAST);
    const startedAt = performance.now();
    await Promise.all([consumer.close(200), neverUp.close(60_000)]);
    await queue.close();
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 30_000, `took ${tookMs} ms`);
    assert.ok(logged(/taken over as stalled/) >= 1);
  });

  test('a job that finished meanwhile is completed when Redis is back', async (t) => {
    const redis = await startRedis(t);
    if (!redis) return;
    const { queue } = await setup(t, { kind: 'redis', url: redis.url, prefix: '{wma}' });
    let end = () => {};
    const handled = createHandled(() =>
      handled.jobs.length > 1
        ? finish
        : new Promise<JobResult>((resolve) => {
            end = () => resolve(finish);
          }),
    );
    const consumer = await queue.consume(handled.handler, { ...FAST, lockDurationMs: 30_000 });
    t.after(() => consumer.close(0));
    await queue.add([entryOf('a')]);
    await handled.until(1);
    await redis.kill();
    end();
    await redis.start();
    await eventually('completed', () =>
      queue.counts().then(
        ({ completed }) => completed === 1,
        () => false,
      ),
    );
    await untilAdded(queue, 'b');
    await handled.until(2);
  });
});

test('the queue warns of settings with which Redis may lose jobs', {
  skip: missing.redisServer,
}, async (t) => {
  const redis = await startRedis(t);
  if (!redis) return;
  const admin = new Redis(redis.url);
  t.after(() => admin.disconnect());
  const careful = await setup(t, { kind: 'redis', url: redis.url, prefix: '{wma}' });
  await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await admin.config('SET', 'appendonly', 'no');
  const careless = await setup(t, { kind: 'redis', url: redis.url, prefix: '{wma}' });
  await eventually('both warnings are logged', async () => careless.logged(/noeviction|appendonly/) === 2);
  assert.equal(careful.logged(/noeviction|appendonly/), 0);
});

describe('while Postgres is unavailable', { skip: missing.postgresServer }, () => {
  const poolOf = (t: TestContext, url: string) => {
    const pool = new pg.Pool({ connectionString: url, ...QUEUE_POOL_OPTIONS });
    t.after(() => t.after(() => pool.end()));
    return pool;
  };

  test('adding a job fails soon, and the queue works again when the server is back', async (t) => {
    const postgres = await startPostgres(t);
    if (!postgres) return;
    const pool = poolOf(t, postgres.url);
    const { queue, lines } = await setup(t, { kind: 'postgres', pool, prefix: '{wma}' });
    const handled = createHandled(({ reference, attempt }) =>
      reference.mediaId === 'slow' && attempt === 1
        ? { action: 'retry', delayMs: 500, failure: failed('network') }
        : finish,
    );
    const consumer = await queue.consume(handled.handler, FAST);
    t.after(() => consumer.close(0));
    await queue.add([entryOf('slow')]);
    await eventually('delayed', async () => (await queue.counts()).delayed === 1);

    await postgres.stop();
    await rejectsSoon(queue.add([entryOf('during')]));
    await rejectsSoon(queue.lost(['m_1-1']));
    await postgres.start();
    await untilAdded(queue, 'after');
    await handled.until(3);
    assert.deepEqual(handled.jobs.map((job) => `${job.reference.mediaId} ${job.attempt}`).sort(), [
      'after 1',
      'slow 1',
      'slow 2',
    ]);
    assert.ok(lines.length < 15, `${lines.length} lines:\n${lines.map((line) => line.msg).join('\n')}`);
  });

  test('no job of many is lost or failed by a kill of the server', async (t) => {
    const postgres = await startPostgres(t);
    if (!postgres) return;
    const pool = poolOf(t, postgres.url);
    const { queue } = await setup(t, { kind: 'postgres', pool, prefix: '{wma}' });
    const handled = createHandled(async () => {
      await wait(5);
      return finish;
    });
    const consumer = await queue.consume(handled.handler, { ...FAST, concurrency: 8 });
    t.after(() => consumer.close(0));
    await queue.add(Array.from({ length: 300 }, (_, index) => entryOf(`media-${index}`)));
    await handled.until(50);
    await postgres.kill();
    await postgres.start();
    await eventually('all have ended', () => isIdle(queue).catch(() => false));
    assert.equal((await queue.counts()).failed, 0);
    assert.equal(new Set(handled.jobs.map((job) => job.jobId)).size, 300);
  });

  test('opening the queue waits for the server', async (t) => {
    const postgres = await startPostgres(t);
    if (!postgres) return;
    await postgres.stop();
    const opening = setup(t, { kind: 'postgres', pool: poolOf(t, postgres.url), prefix: '{wma}' });
    await postgres.start();
    const { queue } = await opening;
    const handled = createHandled();
    const consumer = await queue.consume(handled.handler, FAST);
    t.after(() => consumer.close(0));
    await queue.add([entryOf('a')]);
    await handled.until(1);
  });
});

test('many processes can open the queue of a new database at once', { skip: missing.postgres }, async (t) => {
  const url = await postgresForTest(t);
  if (!url) return;
  const queues = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const pool = new pg.Pool({ connectionString: url, ...QUEUE_POOL_OPTIONS });
      t.after(() => t.after(() => pool.end()));
      return (await setup(t, { kind: 'postgres', pool, prefix: '{wma}' })).queue;
    }),
  );
  await Promise.all(queues.map((queue) => queue.add([entryOf('a')])));
  assert.equal((await queues[0]?.counts())?.waiting, 1);
});

test('a pool with another search_path is refused with the option to set', {
  skip: missing.postgres,
}, async (t) => {
  const connectionString = await postgresForTest(t);
  if (!connectionString) return;
  const pool = new pg.Pool({ connectionString });
  t.after(() => t.after(() => pool.end()));
  await assert.rejects(
    openArchiveQueue({ kind: 'postgres', pool, prefix: '{wma}' }, { log: recordLog().log }),
    /search_path must begin with bullmq.*-c search_path=bullmq,public/,
  );
});

test('two installations in one database are separated by their prefix', {
  skip: missing.postgres,
}, async (t) => {
  const connectionString = await postgresForTest(t);
  if (!connectionString) return;
  const pool = new pg.Pool({ connectionString, ...QUEUE_POOL_OPTIONS });
  t.after(() => t.after(() => pool.end()));
  const one = await setup(t, { kind: 'postgres', pool, prefix: '{wma}' });
  const other = await setup(t, { kind: 'postgres', pool, prefix: '{shop}' });
  await one.queue.add([entryOf('a')]);
  assert.equal((await one.queue.counts()).waiting, 1);
  assert.equal((await other.queue.counts()).waiting, 0);
});
