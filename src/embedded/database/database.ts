/** The embedded database: PGlite in a folder, behind a pool that is node-postgres' own. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import pg from 'pg';
import { failure } from '../../failures.ts';
import { type DiskSpace, watchDiskSpace } from '../../runtime/disk/disk-space.ts';
import type { Log } from '../../runtime/log.ts';
import { createAutovacuum } from './autovacuum.ts';
import { SyncedFolder, syncFolder } from './durable-filesystem.ts';
import { PgSocket } from './pg-socket.ts';
import { createSessionPool, type SessionPool } from './session-pool.ts';

export interface EmbeddedDatabase {
  /** A true `pg.Pool`; its connections end in this process. */
  readonly pool: pg.Pool;
  /** Ends the pool, writes a checkpoint, closes the files. Clients still checked out are cut off after 2 s. */
  close(): Promise<void>;
}

export interface EmbeddedDatabaseOptions {
  folder: string;
  log: Log;
  /** True: an acknowledged commit survives loss of power, for about 30 % of the throughput. */
  fsync: boolean;
  /** Below this, writes are refused as `disk_full` and reads go on: on a full disk PGlite spins for ever. */
  freeSpaceFloorBytes?: number;
  /** As `options: '-c search_path=…'` would set it on a server. */
  searchPath?: string;
  /** A statement not answered in this time, its wait for its turn included, fails. */
  queryTimeoutMs?: number;
  idleInTransactionMs?: number;
  autovacuumEveryMs?: number;
}

const CLOSE_GRACE_MS = 2_000;
/** Clients cost next to nothing here; every Worker and QueueEvents keeps one for LISTEN. */
const MAX_CLIENTS = 32;

/**
 * Opens (or makes, in 2–4 s) the database in `folder`. It does not lock the folder: the program locks DATA_DIR as a
 * whole, once, before it opens anything ({@link lockFolder}); two processes on one folder silently lose each
 * other's work.
 *
 * The SQL and the parameters are those of any `pg.Pool`. What differs, because there is one session: a client
 * inside a transaction has the database alone, so BEGIN needs a client of its own (`pool.connect()`); settings made
 * with SET last for all; no cursors, no COPY; `name` of a query is ignored.
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
      throw failure('disk_full', `a new database needs more room than is free in ${folder}`);
    }
    db = await openPGlite(options);
  } catch (error) {
    space.close();
    throw error;
  }

  const session = createSessionPool(db, {
    log,
    idleInTransactionMs: options.idleInTransactionMs ?? 10_000,
    isReadOnly: space.isLow,
  });
  const wires = new Set<PgSocket>();
  const pool = createPool(session, wires, space, options);
  const upkeep = createAutovacuum(pool, { log, everyMs: options.autovacuumEveryMs ?? 60_000 });

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    await upkeep.close();
    space.close();
    // Not unref'd: with a client that is never released, nothing else may keep the process until the files are closed.
    const grace = new AbortController();
    const cutOff = wait(CLOSE_GRACE_MS, undefined, { signal: grace.signal }).catch(() => {});
    await Promise.race([pool.ending || pool.end(), cutOff]);
    grace.abort();
    for (const wire of wires) wire.destroy();
    if (await session.drain()) await db.close();
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
    await syncFolder(folder);
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}

function createPool(
  session: SessionPool,
  wires: Set<PgSocket>,
  space: DiskSpace,
  options: EmbeddedDatabaseOptions,
): pg.Pool {
  const pool = new pg.Pool({
    host: 'embedded',
    user: 'postgres',
    database: 'postgres',
    // Said aloud, because node-postgres otherwise looks for PGSSLMODE and asks the wire for TLS.
    ssl: false,
    // BullMQ looks at this to decide how long it may rely on LISTEN.
    keepAlive: true,
    max: MAX_CLIENTS,
    idleTimeoutMillis: 0,
    query_timeout: options.queryTimeoutMs ?? 30_000,
    stream: () => {
      const wire = new PgSocket(session);
      wires.add(wire.once('close', () => wires.delete(wire)));
      return wire;
    },
  });
  pool.setMaxListeners(0); // every Queue and Worker adds one
  pool.on('error', (error) => options.log.warn({ err: error }, 'a client of the embedded database failed'));
  pool.on('release', (_error, client) => session.release(client.connection.stream as PgSocket));
  pool.on('connect', (client) => {
    // Without a listener an error on a client that is checked out ends the process.
    client.on('error', (error) =>
      options.log.warn({ err: error }, 'a client of the embedded database failed'),
    );
    client.query = adapt(client.query.bind(client), withoutName, space);
  });
  pool.query = adapt(pool.query.bind(pool), withoutBegin, space);
  return pool;
}

/** Looks at what is asked before node-postgres does, and gives a refusal for want of room its name. */
function adapt<Query>(query: Query, look: (asked: unknown) => unknown, space: DiskSpace): Query {
  const ask = query as (asked: unknown, ...rest: unknown[]) => unknown;
  const adapted = async (asked: unknown, ...rest: unknown[]) => {
    try {
      return await ask(look(asked), ...rest);
    } catch (error) {
      const isReadOnly = (error as { code?: unknown }).code === '25006';
      if (isReadOnly && space.isLow()) throw failure('disk_full', 'write refused', { cause: error });
      throw error;
    }
  };
  return adapted as Query;
}

/** Prepared statements have one namespace here, and node-postgres believes in one for each client. */
function withoutName(asked: unknown): unknown {
  const isNamed = typeof asked === 'object' && asked !== null && 'name' in asked && !('submit' in asked);
  return isNamed ? { ...asked, name: undefined } : asked;
}

function withoutBegin(asked: unknown): unknown {
  const text = typeof asked === 'string' ? asked : (asked as { text?: string } | undefined)?.text;
  if (/^\s*(begin|start\s+transaction)\b/i.test(text ?? '')) {
    throw new Error('BEGIN needs a client of its own: use pool.connect()');
  }
  return asked;
}
