/** BullMQ on Postgres, and on the embedded database, whose pool has the same shape. */
import {
  assertSchemaCompatibility,
  createPostgresBackend,
  LATEST_SCHEMA_VERSION,
  type PgPool,
  type PgQueryable,
  runMigrations,
  SchemaMigrationRequiredError,
  SchemaVersionMismatchError,
  UnsupportedPostgresVersionError,
  withBackend,
} from 'bullmq';
import { systemClock } from '../runtime/clock.ts';
import { withTimeout } from '../runtime/timeout.ts';
import type { BullBackend, QueueLog, QueuePool } from './backend.ts';
import { JOB_OPTIONS, MAX_WAIT_MS, queueNameOf, STREAMS } from './job.ts';
import { createErrorReporter } from './redact-errors.ts';

/** BullMQ has no option for the schema beside a pool, and assumes `bullmq`. */
const classesOn = (schema: string) =>
  withBackend((...given: Parameters<typeof createPostgresBackend>) => {
    const backend = createPostgresBackend(...given);
    Object.assign((backend as unknown as { connection: object }).connection, { schema });
    return backend;
  });

const PROBE_MS = 10_000;
/**
 * To keep finished jobs by age or count, BullMQ reads the whole queue at every job's end (its partial index does not
 * serve a plan that is made for any state): with a thousand kept, 4.3 ms a job in the embedded database, against 0.8.
 */
const JOB_OPTIONS_HERE = { removeOnComplete: true } as const;
/** Invalid jobs are few, and their reasons are of use. */
const KEPT = { removeOnFail: { count: 500 } };
const PREPARE_MS = 60_000;

export function connectPostgres(
  options: { pool: QueuePool; prefix: string; schema?: string },
  log: QueueLog,
): BullBackend {
  const { pool, prefix, schema = 'bullmq' } = options;
  const { Queue, Worker } = classesOn(schema);
  pool.on('error', createErrorReporter(log));
  const connection = withoutListeners(pool);
  const name = queueNameOf(prefix);
  return {
    prepare: (signal) => prepare(pool, { schema, prefix }, log, signal),
    createQueue: () => new Queue(name, { connection, defaultJobOptions: JOB_OPTIONS, streams: STREAMS }),
    jobOptions: JOB_OPTIONS_HERE,
    createWorker: (processor, settings) => ({
      worker: new Worker(name, processor, { ...settings, ...KEPT, connection }),
      disconnect: () => {},
    }),
    unfinished: async (_queue, jobIds) => {
      // BullMQ reads one job at a time; a window of a thousand would be a thousand statements.
      const { rows } = await pool.query<{ id: string }>(
        `SELECT id FROM ${schema}.job
          WHERE queue = $1 AND id = ANY($2::text[]) AND state NOT IN ('completed', 'failed')`,
        [name, [...jobIds]],
      );
      return new Set(rows.map((row) => row.id));
    },
    misplaced: async (_queue, jobIds) => {
      // A lock that only a wrong clock can have written ends now: then the job is taken over as stalled, and finds
      // that its row has moved on. On Postgres a job's state and its place are one.
      const { rows } = await pool.query<{ id: string }>(
        `WITH clock AS (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms),
         locked AS (
           UPDATE ${schema}.job SET locked_until_ms = now_ms FROM clock
           WHERE queue = $1 AND id = ANY($2::text[]) AND state = 'active' AND locked_until_ms > now_ms + $3
           RETURNING id)
         SELECT id FROM locked
         UNION
         SELECT id FROM ${schema}.job, clock WHERE queue = $1 AND id = ANY($2::text[]) AND (
           (state = 'delayed' AND process_at_ms > now_ms + $3) OR state NOT IN ('waiting', 'active', 'delayed'))`,
        [name, [...jobIds], MAX_WAIT_MS],
      );
      return rows.map((row) => row.id);
    },
    existing: async (_queue, jobIds) => {
      const { rows } = await pool.query<{ id: string }>(
        `SELECT id FROM ${schema}.job WHERE queue = $1 AND id = ANY($2::text[])`,
        [name, [...jobIds]],
      );
      return rows.map((row) => row.id);
    },
    // Refused where the database is read-only or the right is missing.
    probe: () => pool.query(`DELETE FROM ${schema}.job WHERE false`),
    close: () => {},
  };
}

/**
 * Returns the pool for BullMQ. Every Queue and Worker adds a listener for the pool's errors and never removes it, so each
 * one built again after a failed start would leave one behind; one listener for all is enough.
 */
function withoutListeners(pool: QueuePool): PgPool {
  const shown = {
    options: pool.options, // BullMQ looks for keepAlive
    connect: () => pool.connect(),
    query: (text: string, params?: unknown[]) => pool.query(text, params),
    end: async () => {}, // the pool is its owner's
    on: () => shown,
    removeAllListeners: () => shown,
  };
  return shown as unknown as PgPool;
}

/** A configuration that no waiting cures; the program ends with exit code 78. */
class QueueUnfitError extends Error {
  override readonly name = 'QueueUnfitError';
  readonly exitCode = 78;
}

/** Waits up to a minute for the database, then brings BullMQ's schema up to date. Safe in many processes at once. */
async function prepare(
  pool: QueuePool,
  at: { schema: string; prefix: string },
  log: QueueLog,
  signal?: AbortSignal,
): Promise<void> {
  const giveUpAt = performance.now() + PREPARE_MS;
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, 4_000)) {
    try {
      return await withTimeout(() => open(pool, at), PROBE_MS, 'queue: Postgres', signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!isTemporary(error) || performance.now() + waitMs > giveUpAt) throw error;
      log.warn({ err: error, waitMs }, 'queue: Postgres unavailable, retrying');
      await systemClock.sleep(waitMs, signal);
    }
  }
}

function isTemporary(error: unknown): boolean {
  if (error instanceof QueueUnfitError) return false;
  if (error instanceof SchemaVersionMismatchError || error instanceof UnsupportedPostgresVersionError)
    return false;
  // 28: invalid authorization; 3D: no such database; 42: no privilege, or no such object.
  return !/^(28|3D|42)/.test(String((error as { code?: unknown }).code));
}

/**
 * Brings BullMQ's tables up to date. Returns whether there was anything to do. It reads the version first: migrating
 * takes a lock and needs CREATE, which the role of a worker may not have.
 */
export async function migrateQueue(
  pool: Pick<QueuePool, 'connect'>,
  { schema, prefix }: { schema: string; prefix: string },
): Promise<boolean> {
  const client = await pool.connect();
  let broken = true;
  try {
    const isOld = (await versionOf(client, schema)) < LATEST_SCHEMA_VERSION;
    const isMade = await doAsOwner(schema, async () => {
      if (isOld) await runMigrations(client, schema);
      return await makeSequence(client, schema, queueNameOf(prefix));
    });
    broken = false;
    return isOld || isMade;
  } finally {
    client.release(broken);
  }
}

/** BullMQ creates the sequence of a queue's job ids with the first job, even if that has its own id. */
async function makeSequence(client: PgQueryable, schema: string, queue: string): Promise<boolean> {
  const { rows } = await client.query<{ name: string; found: boolean }>(
    `SELECT name, EXISTS (SELECT FROM pg_class WHERE relname = name AND relnamespace =
         (SELECT oid FROM pg_namespace WHERE nspname = $2)) AS found
       FROM ${schema}.job_id_seq_name($1) AS name`,
    [queue, schema],
  );
  if (rows[0] === undefined || rows[0].found) return false;
  await client.query(`CREATE SEQUENCE IF NOT EXISTS ${schema}."${rows[0].name}"`);
  return true;
}

async function doAsOwner<T>(schema: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw (error as { code?: unknown }).code === '42501' ? notAllowed(schema, error as Error) : error;
  }
}

function notAllowed(schema: string, error: Error): QueueUnfitError {
  return new QueueUnfitError(
    `The queue's schema ${schema} is missing or of an older release, and the role of DATABASE_URL may not change that (${error.message}). Run \`wma migrate\` with a DATABASE_URL whose role may: one that has CREATE on the database, and owns the schema once it is there.`,
    { cause: error },
  );
}

async function open(pool: QueuePool, at: { schema: string; prefix: string }): Promise<void> {
  const { schema } = at;
  await migrateQueue(pool, at);
  await requireSession(pool);
  const { rows } = await pool.query<{ found: boolean }>('SELECT current_schema() = $1 AS found', [schema]);
  if (!rows[0]?.found) {
    throw new QueueUnfitError(
      `queue: the pool's search_path must begin with ${schema} (pool option: options '-c search_path=${schema},public')`,
    );
  }
}

async function versionOf(client: PgQueryable, schema: string): Promise<number> {
  try {
    return await assertSchemaCompatibility(client, schema);
  } catch (error) {
    if (error instanceof SchemaMigrationRequiredError) return 0;
    throw error;
  }
}

const SESSION_PROBES = 3;

/**
 * BullMQ keeps its search_path and its LISTEN in a session. A pooler in transaction mode gives a server connection to
 * one client after the other: then a second client gets the backend process of the first, which is still connected.
 */
async function requireSession(pool: QueuePool): Promise<void> {
  const first = await pool.connect();
  try {
    // In the embedded database, and where the process id is the server's, there is no pooler.
    const { processID } = first as { processID?: number | null };
    if (!processID || processID === (await backendOf(first))) return;
    const second = await pool.connect();
    try {
      for (let probe = 0; probe < SESSION_PROBES; probe++) {
        if ((await backendOf(first)) !== (await backendOf(second))) continue;
        await first.query('RESET ALL'); // The settings would be those of other clients too.
        throw new QueueUnfitError(
          'DATABASE_URL leads through a pooler in transaction mode, and the queue in Postgres needs sessions. Set REDIS_URL, or let DATABASE_URL lead to Postgres itself or to a pool in session mode (pgbouncer.ini: pool_mode = session).',
        );
      }
    } finally {
      second.release();
    }
  } finally {
    first.release();
  }
}

async function backendOf(client: Pick<QueuePool, 'query'>): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid;
}
