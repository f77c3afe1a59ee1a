/** Part 7: what a backlog costs Redis. Rows are the backlog; the queue holds only a window of it. */
import { Redis } from 'ioredis';
import pg from 'pg';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../src/catalogue/database/database.ts';
import { migrate } from '../../src/catalogue/database/migrate.ts';
import type { ClaimedItem } from '../../src/catalogue/queue/claims.ts';
import { openArchiveQueue } from '../../src/queue/queue.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import type { Part, PartOptions } from '../part.ts';
import { median, type PartResult } from '../report.ts';
import { openServices, type Services } from '../services.ts';
import { missingFor } from '../shapes.ts';

const SCHEMA = 'wma';
const ACCOUNTS = Array.from({ length: 10 }, (_, index) => `wxbacklog${index}`);
/** The default of QUEUE_WINDOW, and full: no worker runs. */
const WINDOW = 1_000;
const BATCH = 100_000;
const MIB = 1024 * 1024;
const CLAIMS = 20;
/** So many jobs are added at once: the queue's timeout is two seconds. */
const ADDED = 500;

export const measureBacklog: Part = async (options): Promise<PartResult> => {
  const services = await openServices();
  try {
    const missing = missingFor('redis', services);
    if (missing) return { tables: [], bars: [], notes: [`NOT MEASURED: ${missing}`] };
    return await measure(services, options);
  } finally {
    await services.close();
  }
};

async function measure(services: Services, options: PartOptions): Promise<PartResult> {
  const pool = new pg.Pool({ connectionString: await services.newDatabase(), max: 4 });
  const redis = new Redis(services.redisUrl!, { maxRetriesPerRequest: 1 });
  const log = createLog({ level: 'silent', program: 'bench', secrets: [] });
  const open = (name: string) =>
    openArchiveQueue(
      { kind: 'redis', url: services.redisUrl!, prefix: `{bench-${process.pid}-${name}}` },
      { log, signal: options.signal },
    );
  const queue = await open('rows');
  try {
    const database = createDatabase(pool);
    await migrate(database, SCHEMA, new Date());
    const lifetimes = createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale: 1 });
    const catalogue = createCatalogue(database, SCHEMA, lifetimes);
    await catalogue.accounts.ensure(ACCOUNTS);
    const usedBytes = async () => Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
    const capacities = ACCOUNTS.map((account) => ({ account, capacity: WINDOW }));

    /** Dispatches until every window is full, then measures one claim. */
    async function dispatch(): Promise<{ inQueue: number; claimMs: number }> {
      for (;;) {
        const { claimed } = await catalogue.queue.claim(capacities, new Date(), WINDOW);
        if (claimed.length === 0) break;
        for (let from = 0; from < claimed.length; from += ADDED)
          await queue.add(claimed.slice(from, from + ADDED), options.signal);
      }
      const times: number[] = [];
      for (let look = 0; look < CLAIMS; look++) {
        const [taken] = await database.query<{ id: string; generation: number }>(
          `SELECT id, generation FROM ${SCHEMA}.media WHERE stage = 2 LIMIT 1`,
        );
        if (taken) await catalogue.queue.requeue([taken]);
        const startedAt = performance.now();
        await catalogue.queue.claim(capacities, new Date(), WINDOW);
        times.push(performance.now() - startedAt);
      }
      const { waiting } = await queue.counts(options.signal);
      return { inQueue: waiting, claimMs: median(times) };
    }

    const sizes = options.quick ? [0, 10_000, 50_000] : [0, 100_000, 1_000_000];
    const rows: [string, number, number, number, number][] = [];
    let there = 0;
    for (const size of sizes) {
      options.print(`  ${size} rows waiting …`);
      for (; there < size; there += Math.min(BATCH, size - there))
        await fill(pool, there, Math.min(size, there + BATCH));
      await pool.query(`VACUUM ANALYZE ${SCHEMA}.media`);
      const { inQueue, claimMs } = await dispatch();
      rows.push(['rows', size, inQueue, (await usedBytes()) / MIB, claimMs]);
    }

    const naive = sizes[1]!;
    options.print(`  ${naive} jobs, all as jobs …`);
    const before = await usedBytes();
    const jobs = await open('jobs');
    for (let from = 0; from < naive; from += ADDED)
      await jobs.add(jobsOf(from, from + ADDED), options.signal);
    const naiveMib = ((await usedBytes()) - before) / MIB;
    rows.push(['all as jobs (beside them)', naive, naive, naiveMib, Number.NaN]);
    await jobs.close();

    const [small, large] = [rows[1]![3], rows[2]![3]];
    return {
      tables: [
        {
          title: `What waits, and the memory of Redis; ${ACCOUNTS.length} accounts, a window of ${WINDOW}`,
          columns: ['the backlog as', 'waiting', 'in the queue', 'Redis MiB', 'a claim: p50 ms'],
          rows,
        },
      ],
      bars: [
        {
          what: `memory of Redis, ${sizes[2]} waiting over ${sizes[1]}`,
          measured: large / small,
          atMost: 1.05,
        },
      ],
      notes: [
        'used_memory of INFO, with the window full: the most that any backlog makes of it.',
        'A claim counts the rows in the queue, here 10,000 spread over the table: window times accounts, however many wait. In a larger table they lie on pages of their own, which Postgres reads from disk where its cache is small.',
      ],
    };
  } finally {
    await queue.close();
    await removeKeys(redis);
    redis.disconnect();
    await pool.end();
  }
}

async function fill(pool: pg.Pool, from: number, to: number): Promise<void> {
  await pool.query(
    `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, open_id, msg_id, sent_at, expires_at, closes_at, stage,
       created_at, updated_at)
     SELECT 'm_' || md5(n::text), ($3::text[])[1 + n % ${ACCOUNTS.length}], 'media-' || n, 'image', 'open-' || n, n::text,
       at, at + interval '72 h', at + interval '74 h', 1, at, at
     FROM (SELECT n, now() - interval '1 s' * (n * 7919 % 86400) AS at
       FROM generate_series($1::bigint, $2::bigint - 1) AS n) AS given`,
    [from, to, ACCOUNTS],
  );
}

function jobsOf(from: number, to: number): ClaimedItem[] {
  return Array.from({ length: to - from }, (_, index) => ({
    id: `m_${String(from + index).padStart(32, '0')}`,
    generation: 1,
    reference: {
      account: ACCOUNTS[0]!,
      mediaId: `media-${from + index}`,
      kind: 'image',
      openId: `open-${from + index}`,
      msgId: String(from + index),
      sentAt: new Date(),
    },
  }));
}

/** Deletes the keys of this run: the Redis may be a shared one. */
async function removeKeys(redis: Redis): Promise<void> {
  for await (const keys of redis.scanStream({ match: `{bench-${process.pid}-*`, count: 5_000 })) {
    if (keys.length > 0) await redis.unlink(...(keys as string[]));
  }
}
