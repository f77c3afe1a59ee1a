/** The floors of a media item's path through the program: the least that each step costs. */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createPostgresBackend, type PgPool, Queue, runMigrations, Worker, withBackend } from 'bullmq';
import { fastify } from 'fastify';
import pg from 'pg';
import { openEmbeddedDatabase } from '../../src/embedded/database/database.ts';
import { createLog } from '../../src/runtime/log.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { serveParent } from '../child.ts';
import type { Shape } from '../shapes.ts';

interface Opened {
  readonly shape: Shape;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly folder: string;
}

const CONNECTIONS = 10;
const AT_ONCE = 16;

const TABLES = `
  CREATE TABLE floor_media (id text PRIMARY KEY, body bytea NOT NULL, status text NOT NULL DEFAULT 'pending');
  CREATE TABLE floor_attempt (media text, started_at timestamptz, ended_at timestamptz, outcome text, bytes bigint,
    PRIMARY KEY (media, started_at));`;
const INSERT = 'INSERT INTO floor_media (id, body) VALUES ($1, $2)';
const UPDATE = `WITH done AS (UPDATE floor_media SET status = 'archived' WHERE id = $1 RETURNING id)
  INSERT INTO floor_attempt SELECT id, $2, $3, 'archived', $4 FROM done`;

let pool: pg.Pool;
let addJobs: (count: number) => Promise<void>;
let inserted: string[] = [];

async function openPool({ shape, databaseUrl, folder }: Opened): Promise<pg.Pool> {
  if (shape !== 'embedded') {
    const options = '-c search_path=public,bullmq';
    return new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS, keepAlive: true, options });
  }
  const log = createLog({ level: 'error', program: 'bench', secrets: [] });
  // BullMQ needs a pool: PGlite has none, and the program's is the thinnest one.
  const metrics = createMetrics();
  return (await openEmbeddedDatabase({ folder, log, metrics, fsync: true, searchPath: 'public,bullmq' }))
    .pool;
}

/** One no-op job after the other through a queue and a worker of BullMQ's own, added a hundred at a time. */
async function openJobs({ shape, redisUrl }: Opened): Promise<typeof addJobs> {
  let done = 0;
  let waiting: { count: number; resolve: () => void } | undefined;
  const handler = async () => {
    if (++done === waiting?.count) waiting.resolve();
  };
  const name = `floor-${randomBytes(4).toString('hex')}`;
  const settings = { concurrency: AT_ONCE };
  let queue: Queue;
  if (shape === 'redis') {
    const connection = { url: redisUrl, maxRetriesPerRequest: null };
    queue = new Queue(name, { connection });
    new Worker(name, handler, { ...settings, connection });
  } else {
    const client = await pool.connect();
    await runMigrations(client);
    client.release();
    const bull = withBackend(createPostgresBackend);
    const connection = pool as unknown as PgPool;
    queue = new bull.Queue(name, { connection }) as unknown as Queue;
    new bull.Worker(name, handler, { ...settings, connection });
  }
  await queue.waitUntilReady();
  return async (count) => {
    done = 0;
    const finished = new Promise<void>((resolve) => {
      waiting = { count, resolve };
    });
    for (let left = count; left > 0; left -= 100) {
      const jobs = Array.from({ length: Math.min(left, 100) }, () => ({
        name: 'job',
        data: { id: 'x' },
        // The cheapest there is: on Postgres to keep any costs a look at all.
        opts: { removeOnComplete: true },
      }));
      await queue.addBulk(jobs);
    }
    await finished;
  };
}

/** POST /: the body becomes a row, then `success`. */
async function listen(): Promise<string> {
  const app = fastify();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post('/*', async (request) => {
    const id = randomBytes(16).toString('hex');
    await pool.query(INSERT, [id, request.body]);
    inserted.push(id);
    return 'success';
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

async function updates(): Promise<number> {
  const ids = inserted;
  inserted = [];
  let next = 0;
  const runOne = async () => {
    for (let id = ids[next++]; id; id = ids[next++]) {
      const now = new Date();
      await pool.query(UPDATE, [id, now, now, 102_400]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runOne));
  return ids.length;
}

serveParent({
  /** The address of the route. */
  open: async (opened: Opened) => {
    pool = await openPool(opened);
    const client = await pool.connect();
    await client.query(TABLES);
    client.release();
    addJobs = await openJobs(opened);
    return await listen();
  },
  jobs: (count: number) => addJobs(count),
  /** One update with an attempt row for each row inserted since the last call. */
  updates,
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
});
