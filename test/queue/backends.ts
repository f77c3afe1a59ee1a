/** The three backends of a queue, and what a test changes in them without the queue. */
import { randomBytes } from 'node:crypto';
import { after, type TestContext } from 'node:test';
import { createPostgresBackend, type PgPool, Queue, withBackend } from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import { openEmbeddedDatabase } from '../../src/embedded/database/database.ts';
import { QUEUE_POOL_OPTIONS, type QueueBackend, type QueuePool } from '../../src/queue/backend.ts';
import { QUEUE_NAME, queueNameOf } from '../../src/queue/job.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { createLog } from '../../src/runtime/log.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { makeDatabaseFolder } from '../embedded/database/open.ts';
import { missing, postgresForTest, redisForTest } from '../machine/services.ts';

/** Where a queue is, in a form that can be passed to another process. */
export type Place =
  | { kind: 'redis'; url: string; prefix: string }
  | { kind: 'postgres'; url: string; prefix: string }
  | { kind: 'pglite'; folder: string; prefix: string };

/** Whether completed jobs are kept. */
export const keepsEnded = (place: Place) => place.kind === 'redis';

export interface Foreign {
  name?: string;
  data: unknown;
  jobId: string;
}

/** The backend of a queue, opened at a place and closed with the process. */
export interface Below {
  readonly backend: QueueBackend;
  /** Adds a job as a foreign producer with another BullMQ does, without our options. */
  addForeign(job: Foreign): Promise<void>;
  /** Gives the lock of a job to another worker. */
  stealLock(jobId: string): Promise<void>;
  /** Deletes everything, without an event. */
  purge(): Promise<void>;
  close(): Promise<void>;
}

export const quiet = createLog({
  level: process.env.TEST_LOG ?? 'silent',
  program: 'test',
  secrets: [],
});

export async function openBelow(place: Place): Promise<Below> {
  if (place.kind === 'redis') return openRedis(place);
  if (place.kind === 'postgres') {
    const pool = new pg.Pool({ connectionString: place.url, ...QUEUE_POOL_OPTIONS });
    pool.on('error', () => {}).setMaxListeners(30);
    return onPool(pool, place.prefix, () => pool.end());
  }
  const database = await openEmbeddedDatabase({
    folder: place.folder,
    log: quiet,
    metrics: createMetrics(),
    fsync: false,
    freeSpaceFloorBytes: 0,
  });
  database.pool.setMaxListeners(30); // Each foreign producer leaves one behind.
  return onPool(database.pool, place.prefix, () => database.close());
}

function openRedis(place: { url: string; prefix: string }): Below {
  const { url, prefix } = place;
  const redis = new Redis(url, { lazyConnect: true });
  redis.on('error', () => {});
  return {
    backend: { kind: 'redis', url, prefix },
    addForeign: ({ name = 'archive', data, jobId }) => {
      return addAndClose(new Queue(QUEUE_NAME, { connection: redis, prefix }), name, data, jobId);
    },
    stealLock: async (jobId) => {
      const stolen = await redis.set(`${prefix}:${QUEUE_NAME}:${jobId}:lock`, 'another', 'PX', 60_000, 'XX');
      if (stolen !== 'OK') throw new Error('the job has no lock');
    },
    purge: async () => {
      const keys = await redis.keys(`${prefix}:*`);
      if (keys.length === 0) throw new Error('there is nothing to purge');
      await redis.del(keys);
    },
    close: async () => redis.disconnect(),
  };
}

function onPool(pool: QueuePool, prefix: string, close: () => Promise<void>): Below {
  const queue = queueNameOf(prefix);
  const changeAll = async (sql: string, params: unknown[]) => {
    const { rowCount } = await pool.query(sql, params);
    if (!rowCount) throw new Error('there is nothing to change');
  };
  return {
    backend: { kind: 'postgres', pool, prefix },
    addForeign: ({ name = 'archive', data, jobId }) => {
      const { Queue: PostgresQueue } = withBackend(createPostgresBackend);
      return addAndClose(
        new PostgresQueue(queue, { connection: pool as unknown as PgPool }),
        name,
        data,
        jobId,
      );
    },
    stealLock: (jobId) =>
      changeAll(`UPDATE bullmq.job SET lock_token = 'another' WHERE id = $1 AND state = 'active'`, [jobId]),
    purge: () => changeAll('DELETE FROM bullmq.job WHERE queue = $1', [queue]),
    close,
  };
}

async function addAndClose(
  queue: {
    add(name: string, data: unknown, opts: { jobId: string }): Promise<unknown>;
    close(): Promise<void>;
  },
  name: string,
  data: unknown,
  jobId: string,
): Promise<void> {
  await queue.add(name, data, { jobId });
  await queue.close();
}

let pglite: Awaited<ReturnType<typeof makeDatabaseFolder>> | undefined;
after(() => pglite?.[Symbol.asyncDispose]());

/** Resolves with a place of the test's own, removed after it; undefined where the test is skipped. */
type FindPlace = (t: TestContext) => Promise<Place | undefined>;

export const PLACES: readonly { name: string; skip: string | false; find: FindPlace }[] = [
  {
    name: 'Redis',
    skip: missing.redis,
    find: async (t) => {
      const found = await redisForTest(t);
      return found && { kind: 'redis', ...found };
    },
  },
  {
    name: 'Postgres',
    skip: missing.postgres,
    find: async (t) => {
      const url = await postgresForTest(t);
      return url ? { kind: 'postgres', url, prefix: '{wma}' } : undefined;
    },
  },
  {
    name: 'PGlite',
    skip: false,
    // One folder for all tests of a file.
    find: async () => {
      pglite ??= await makeDatabaseFolder();
      return { kind: 'pglite', folder: pglite.path, prefix: `{${randomBytes(6).toString('hex')}}` };
    },
  },
];

export function openQueue(below: Below) {
  return openArchiveQueue(below.backend, { log: quiet });
}
