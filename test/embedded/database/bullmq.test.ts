import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { createPostgresBackend, type PgPool, Queue, QueueEvents, runMigrations, Worker } from 'bullmq';
import { openForTest } from './open.ts';

const ADDS = 1_500;

describe('BullMQ on the embedded database', () => {
  let database: Awaited<ReturnType<typeof openForTest>>;

  before(async () => {
    database = await openForTest();
    const client = await database.pool.connect();
    await runMigrations(client);
    await runMigrations(client); // idempotent
    client.release();
  });
  after(() => database.close());
  const queueOf = (name: string) =>
    new Queue(name, { connection: database.pool as unknown as PgPool }, createPostgresBackend);

  test('an added job wakes a waiting worker, is retried, and its end is reported', async () => {
    const queue = queueOf('wake');
    const events = new QueueEvents(
      'wake',
      { connection: database.pool as unknown as PgPool },
      createPostgresBackend,
    );
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
    const worker = new Worker(
      'wake',
      async (job) => {
        if (job.attemptsMade === 0) throw new Error('the first attempt fails');
        return { seen: job.data.text };
      },
      { connection: database.pool as unknown as PgPool },
      createPostgresBackend,
    );
    await worker.waitUntilReady();
    const job = await queue.add('n', { text: 'ü€😀' }, { attempts: 2 });
    assert.deepEqual(await job.waitUntilFinished(events, 20_000), { seen: 'ü€😀' });
    await Promise.all([worker.close(), events.close()]);
    await queue.close();
  });

  test('every job runs once with many workers on one pool', async () => {
    const queue = queueOf('many');
    const jobs = Array.from({ length: 200 }, (_, index) => ({ name: 'n', data: { index } }));
    await queue.addBulk(jobs);
    const seen: number[] = [];
    const allSeen = Promise.withResolvers<void>();
    const workers = [1, 2, 3].map(
      () =>
        new Worker(
          'many',
          async (job) => {
            seen.push(job.data.index);
            if (seen.length === jobs.length) allSeen.resolve();
          },
          { connection: database.pool as unknown as PgPool, concurrency: 8 },
          createPostgresBackend,
        ),
    );
    await allSeen.promise;
    await Promise.all(workers.map((worker) => worker.close()));
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      jobs.map(({ data }) => data.index),
    );
    assert.equal((await queue.getJobCounts('completed')).completed, jobs.length);
    await queue.close();
  });

  test(`timers fire while ${ADDS} adds run`, async () => {
    const queue = queueOf('crowd');
    await queue.waitUntilReady();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const startedAt = process.cpuUsage();
    await Promise.all(Array.from({ length: ADDS }, (_, index) => queue.add('n', { index })));
    const { user, system } = process.cpuUsage(startedAt);
    const cpuMs = (user + system) / 1000;
    clearInterval(timer);
    // A starved loop has none; with a turn every few milliseconds there are about 0.8 of those of an idle loop. In CPU
    // time, because on a busy machine the process itself gets few turns.
    assert.ok(ticks > cpuMs / 5 / 10, `${ticks} ticks of 5 ms in ${Math.round(cpuMs)} ms of CPU`);
    assert.equal(await queue.getWaitingCount(), ADDS);
    await queue.close();
  });

  test('a waiting worker is woken by an add, not by its timeout', async () => {
    const queue = queueOf('idle');
    const worker = new Worker(
      'idle',
      async () => 'done',
      { connection: database.pool as unknown as PgPool, drainDelay: 60 },
      createPostgresBackend,
    );
    await worker.waitUntilReady();
    for (let times = 0; times < 3; times++) {
      const completed = once(worker, 'completed', { signal: AbortSignal.timeout(20_000) });
      await queue.add('n', {});
      await completed;
    }
    await worker.close();
    await queue.close();
  });
});
