/** The embedded database: PGlite in a folder, behind a `pg.Pool`. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import pg from 'pg';
import { failure } from '../../failures.ts';
import { type DiskSpace, watchDiskSpace } from '../../runtime/disk/disk-space.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { settledWithin } from '../../runtime/timeout.ts';
import { createAutovacuum } from './autovacuum.ts';
import { SyncedFolder, syncTree } from './durable-filesystem.ts';
import { PgSocket } from './pg-socket.ts';
import { createSessionPool, type SessionPool } from './session-pool.ts';

export interface EmbeddedDatabase {
  /** A real `pg.Pool`; its connections end in this process. */
  readonly pool: pg.Pool;
  /** Ends the pool, writes a checkpoint, closes the files. Clients still checked out are closed after 2 s. */
  close(): Promise<void>;
}

export interface EmbeddedDatabaseOptions {
  folder: string;
  log: Log;
  metrics: Pick<Metrics, 'backgroundErrors'>;
  /** True: an acknowledged commit survives a power cut, at the cost of about 30 % of the throughput. */
  fsync: boolean;
  /** With less free space writes are refused as `disk_full` and reads continue: on a full disk PGlite never returns. */
  freeSpaceFloorBytes?: number;
  /** Set like `options: '-c search_path=…'` on a server. */
  searchPath?: string;
  /** A statement without a response in this time, its wait for its turn included, fails. */
  queryTimeoutMs?: number;
  idleInTransactionMs?: number;
  autovacuumEveryMs?: number;
}

const CLOSE_GRACE_MS = 2_000;
/** Clients cost almost nothing here; every Worker and QueueEvents keeps one for LISTEN. */
const MAX_CLIENTS = 32;

/**
 * Opens the database in `folder`, or creates it in 2–4 s. It does not lock the folder: the program locks DATA_DIR as a
 * whole before it opens anything ({@link lockFolder}). Two processes on one folder silently lose each other's writes.
 *
 * SQL and parameters are those of any `pg.Pool`. What differs, because there is one session: a client inside a
 * transaction has the database alone, so BEGIN needs a client of its own (`pool.connect()`); SET applies to all clients;
 * there are no cursors and no COPY; `name` of a query is ignored.
 */
export async function openEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const { folder, log } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const space = await watchDiskSpace({
    folder,
    floorBytes: options.freeSpaceFloorBytes ?? 256 * 1024 * 1024,
    log,
  });
  let db: PGlite;
  try {
    if (space.isLow() && !existsSync(join(folder, 'PG_VERSION'))) {
      throw failure('disk_full', `too little free space for a new database in ${folder}`);
    }
    db = await openPGlite(options);
  } catch (error) {
    space.close();
    throw error;
  }

  const sessionPool = createSessionPool(db, {
    log,
    idleInTransactionMs: options.idleInTransactionMs ?? 10_000,
    isReadOnly: space.isLow,
  });
  const sockets = new Set<PgSocket>();
  const pool = createPool(sessionPool, sockets, space, options);
  const autovacuum = createAutovacuum(pool, {
    log,
    metrics: options.metrics,
    everyMs: options.autovacuumEveryMs ?? 60_000,
  });

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    await autovacuum.close();
    space.close();
    if (!pool.ending) await settledWithin(pool.end(), CLOSE_GRACE_MS);
    for (const socket of sockets) socket.destroy();
    if (await sessionPool.drain()) await db.close();
  }
  return {
    pool,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

async function openPGlite({ folder, fsync, searchPath }: EmbeddedDatabaseOptions): Promise<PGlite> {
  const startParams = [
    ...PGlite.defaultStartParams.filter((param) => param !== '-F'),
    ...['-c', `search_path=${searchPath ?? 'bullmq,public'}`],
    // Emscripten's fdatasync, the default, does nothing whatever the file system offers.
    ...['-c', `fsync=${fsync ? 'on' : 'off'}`, '-c', 'wal_sync_method=fsync'],
  ];
  if (!fsync) return PGlite.create({ fs: new NodeFS(folder), startParams });
  const files = new SyncedFolder(folder);
  const db = await PGlite.create({ fs: files, startParams });
  try {
    const before = files.syncs;
    await db.exec(`SELECT pg_logical_emit_message(true, 'wma', 'does a commit reach the disk?')`);
    if (files.syncs === before) throw new Error('this PGlite commits without fsync: use the pinned version');
    await syncTree(folder);
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}

function createPool(
  sessionPool: SessionPool,
  sockets: Set<PgSocket>,
  space: DiskSpace,
  options: EmbeddedDatabaseOptions,
): pg.Pool {
  const pool = new pg.Pool({
    host: 'embedded',
    user: 'postgres',
    database: 'postgres',
    // Given, because node-postgres otherwise reads PGSSLMODE and asks the socket for TLS.
    ssl: false,
    // BullMQ decides by this how long it may rely on LISTEN.
    keepAlive: true,
    max: MAX_CLIENTS,
    idleTimeoutMillis: 0,
    query_timeout: options.queryTimeoutMs ?? 30_000,
    stream: () => {
      const socket = new PgSocket(sessionPool);
      sockets.add(socket.once('close', () => sockets.delete(socket)));
      return socket;
    },
  });
  pool.setMaxListeners(0); // every Queue and Worker adds one
  pool.on('error', (error) => options.log.warn({ err: error }, 'embedded-database: client failed'));
  pool.on('release', (_error, client) => sessionPool.release(client.connection.stream as PgSocket));
  pool.on('connect', (client) => {
    // Without a listener an error of a client that is checked out ends the process.
    client.on('error', (error) => options.log.warn({ err: error }, 'embedded-database: client failed'));
    client.query = adapt(client.query.bind(client), withoutName, space);
  });
  pool.query = adapt(pool.query.bind(pool), withoutBegin, space);
  return pool;
}

/** Wraps `query`: adapts its first argument, and turns a refused write on a full disk into `disk_full`. */
function adapt<Query>(query: Query, adaptArgument: (text: unknown) => unknown, space: DiskSpace): Query {
  const run = query as (text: unknown, ...rest: unknown[]) => unknown;
  const adapted = async (text: unknown, ...rest: unknown[]) => {
    try {
      return await run(adaptArgument(text), ...rest);
    } catch (error) {
      const isReadOnly = (error as { code?: unknown }).code === '25006';
      if (isReadOnly && space.isLow()) throw failure('disk_full', 'write refused', { cause: error });
      throw error;
    }
  };
  return adapted as Query;
}

/** Prepared statements have one namespace here, while node-postgres assumes one for each client. */
function withoutName(query: unknown): unknown {
  const isNamed = typeof query === 'object' && query !== null && 'name' in query && !('submit' in query);
  return isNamed ? { ...query, name: undefined } : query;
}

function withoutBegin(query: unknown): unknown {
  const text = typeof query === 'string' ? query : (query as { text?: string } | undefined)?.text;
  if (/^\s*(begin|start\s+transaction)\b/i.test(text ?? '')) {
    throw new Error('BEGIN needs a client of its own: use pool.connect()');
  }
  return query;
}
