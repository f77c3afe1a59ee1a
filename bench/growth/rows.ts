/** A catalogue of many rows: the queries of dashboard, API, dispatcher and sweeper, with their plans. */
import pg from 'pg';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { createDatabase, type PoolLike } from '../../src/catalogue/database/database.ts';
import { migrate } from '../../src/catalogue/database/migrate.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import type { PartOptions } from '../part.ts';
import { type Bar, type Cell, percentile, type Table } from '../report.ts';

const SCHEMA = 'wma';
const ACCOUNTS = 20;
const HOUR_MS = 3_600_000;
const BATCH = 100_000;
/** The number of pending rows, independent of the size, because a backlog does not grow with age. */
const PENDING = 5_000;

/** `rows` items over a year, most of them archived, spread evenly over twenty accounts. */
async function fill(pool: pg.Pool, from: number, to: number, say: PartOptions['print']): Promise<void> {
  for (let start = from; start < to; start += BATCH) {
    await pool.query(
      `INSERT INTO ${SCHEMA}.media (id, account, media_id, kind, open_id, msg_id, sent_at, expires_at, closes_at, status,
         stage, attempts, bucket, object_key, size_bytes, sha256, content_type, failure, created_at, updated_at, archived_at)
       SELECT 'm_' || md5(n::text), 'account-' || n % ${ACCOUNTS}, 'media-' || n,
         (ARRAY['image', 'image', 'voice', 'video'])[1 + n % 4], 'open-' || n % 50000, n::text, at, at + interval '72 h',
         at + interval '74 h', status, CASE WHEN status = 'pending' THEN 1 END, 1, 'bucket', 'key-' || n, 100000,
         CASE WHEN status = 'archived' THEN md5(n::text) || md5(n::text) END, 'image/jpeg',
         CASE WHEN status IN ('dead', 'expired') THEN jsonb_build_object('code', 'media_gone', 'class', 'permanent_media',
           'errcode', 40007 + n % 5) END,
         at, at, CASE WHEN status = 'archived' THEN at + interval '5 s' END
       FROM (SELECT n, now() - interval '1 s' * (($3 - n)::double precision / $3 * 31536000) AS at,
         CASE WHEN n >= $3 - ${PENDING} THEN 'pending' WHEN n % 200 = 0 THEN 'dead' WHEN n % 500 = 1 THEN 'expired'
           ELSE 'archived' END AS status
         FROM generate_series($1::bigint, $2::bigint - 1) AS n) AS given`,
      [start, Math.min(to, start + BATCH), to],
    );
    if ((start - from) % 1_000_000 === 0) say(`    ${start} rows …`);
  }
  await pool.query(`VACUUM ANALYZE ${SCHEMA}.media`);
}

/** Records the statements of a call, to be explained afterwards. */
function recordStatements(pool: pg.Pool) {
  const statements: { text: string; values: unknown[] | undefined }[] = [];
  const recording: PoolLike = {
    connect: () => pool.connect(),
    query: (text: string, values?: unknown[]) => {
      statements.push({ text, values });
      return pool.query(text, values);
    },
  };
  return { recording, take: () => statements.splice(0) };
}

/** The nodes that read tables, each with its index. */
async function planOf(pool: pg.Pool, statement: { text: string; values: unknown[] | undefined }) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const { rows } = await client.query(`EXPLAIN (FORMAT JSON) ${statement.text}`, statement.values);
    const reads: string[] = [];
    const walk = (node: Record<string, unknown>) => {
      const name = String(node['Node Type']);
      if (/Scan$/.test(name) && (node['Relation Name'] || node['Index Name']))
        reads.push(`${name.replace(' Scan', '')} ${node['Index Name'] ?? node['Relation Name']}`);
      for (const child of (node.Plans as Record<string, unknown>[] | undefined) ?? []) walk(child);
    };
    walk(rows[0]['QUERY PLAN'][0].Plan);
    return [...new Set(reads)];
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

export async function measureRows(
  databaseUrl: string,
  options: PartOptions,
): Promise<{ tables: Table[]; bars: Bar[] }> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4, options: '-c search_path=public' });
  const { recording, take } = recordStatements(pool);
  const database = createDatabase(recording);
  const lifetimes = createLifetimes({ mediaLifetimeMs: 72 * HOUR_MS, timeScale: 1 });
  await migrate(database, SCHEMA, new Date());
  const catalogue = createCatalogue(database, SCHEMA, lifetimes);
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => `account-${index}`);
  await catalogue.accounts.ensure(accounts);
  const rows = Number(options.set.rows ?? (options.quick ? 20_000 : 1_000_000));
  const small = rows / 10;
  const page = { sort: 'sentAt', limit: 50 } as const;
  const now = () => new Date();
  const account = 'account-7';
  let size = small;
  // Rows that exist, spread over the whole table.
  const anyRow = () => ((Math.random() * (size / ACCOUNTS)) | 0) * ACCOUNTS + 7;
  const queries: Record<string, () => Promise<unknown>> = {
    list: () => catalogue.media.list({}, page),
    'list, account': () => catalogue.media.list({ accounts: [account] }, page),
    'list, archived': () => catalogue.media.list({ statuses: ['archived'] }, page),
    'list, dead': () => catalogue.media.list({ statuses: ['dead'] }, page),
    'list, account + dead': () => catalogue.media.list({ accounts: [account], statuses: ['dead'] }, page),
    'list, pending': () => catalogue.media.list({ statuses: ['pending'] }, page),
    'list, voices': () => catalogue.media.list({ kinds: ['voice'] }, page),
    'list, errcode': () => catalogue.media.list({ errcodes: [40007] }, page),
    'list, a day': () =>
      catalogue.media.list(
        { sentFrom: new Date(Date.now() - 48 * HOUR_MS), sentTo: new Date(Date.now() - 24 * HOUR_MS) },
        page,
      ),
    'list, at risk': () => catalogue.media.list({ expiresBefore: new Date(Date.now() + 6 * HOUR_MS) }, page),
    'list by updatedAt': () => catalogue.media.list({}, { sort: 'updatedAt', limit: 50 }),
    'by mediaId': () => catalogue.media.list({ mediaIds: [`media-${anyRow()}`] }, page),
    'by openId': () =>
      catalogue.media.list({ accounts: [account], openId: `open-${anyRow() % 50_000}` }, page),
    'by openId, any account': () => catalogue.media.list({ openId: `open-${anyRow() % 50_000}` }, page),
    'dead-letter groups': () => catalogue.stats.deadLetterGroups(100),
    stats: () => catalogue.stats.read(now()),
    'repair: claimed before': () => catalogue.queue.listClaimedBefore(now(), 1000),
    'repair: expiring': () => catalogue.outcomes.listExpiring(new Date(0), 0, 1000),
    'repair: open uploads': () => catalogue.uploads.listOpen(now(), 100),
    'dispatch: promote': () => catalogue.queue.promote(now(), 2000),
    'dispatch: claim 16': async () => {
      const { claimed } = await catalogue.queue.claim([{ account, capacity: 16 }], now(), 1000);
      await catalogue.queue.requeue(claimed);
    },
  };
  async function measureQueries(): Promise<Map<string, { p50: number; p99: number; plans: string[] }>> {
    const results = new Map<string, { p50: number; p99: number; plans: string[] }>();
    for (const [name, query] of Object.entries(queries)) {
      options.signal.throwIfAborted();
      const times: number[] = [];
      const repeats = options.quick ? 10 : 60;
      for (let index = -2; index < repeats; index++) {
        take();
        const startedAt = performance.now();
        await query();
        if (index >= 0) times.push(performance.now() - startedAt);
      }
      const plans: string[] = [];
      for (const statement of take()) plans.push(...(await planOf(pool, statement)));
      results.set(name, {
        p50: percentile(times, 0.5),
        p99: percentile(times, 0.99),
        plans: [...new Set(plans)],
      });
    }
    return results;
  }
  try {
    options.print(`  ${small} rows …`);
    await fill(pool, 0, small, options.print);
    const before = await measureQueries();
    options.print(`  ${rows} rows …`);
    await pool.query(`TRUNCATE ${SCHEMA}.media, ${SCHEMA}.media_count`);
    size = rows;
    await fill(pool, 0, rows, options.print);
    const after = await measureQueries();
    const table = [...after].map(([name, { p50, p99, plans }]): Cell[] => [
      name,
      p50 / before.get(name)!.p50,
      p50,
      p99,
      before.get(name)!.p50,
      plans.join(', '),
    ]);
    const scanned = [...after].filter(([, { plans }]) => plans.some((plan) => plan === 'Seq media'));
    return {
      tables: [
        {
          title: `${rows} rows beside a tenth of them`,
          columns: ['query', 'p50 ÷ a tenth', 'p50 ms', 'p99 ms', 'a tenth: p50 ms', 'read by'],
          rows: table,
        },
      ],
      bars: [
        {
          what: `queries that scan the table media${scanned.length ? ` (${scanned.map(([name]) => name).join(', ')})` : ''}`,
          measured: scanned.length,
          atMost: 0,
        },
        {
          what: 'the slowest p99 of a query, ms',
          measured: Math.max(...[...after.values()].map((one) => one.p99)),
          atMost: 100,
        },
      ],
    };
  } finally {
    await pool.end();
  }
}
