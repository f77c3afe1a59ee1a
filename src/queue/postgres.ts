/** BullMQ on Postgres, or on anything whose pool looks like pg's: the embedded database. */
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
import { systemClock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Bull, QueuePool } from './backend.ts';
import { JOB_OPTIONS, queueNameOf, STREAMS } from './job.ts';
import { within } from './patience.ts';
import { createQuietReport } from './wording.ts';

const { Queue, Worker } = withBackend(createPostgresBackend);

const PROBE_MS = 10_000;
/**
 * To keep finished jobs by age or count, BullMQ reads the whole queue at every job's end (its partial index does not
 * serve a plan that is made for any state): with a thousand kept, 4.3 ms a job in the embedded database, against 0.8.
 */
const JOB_OPTIONS_HERE = { removeOnComplete: true } as const;
/** Refused jobs are few, and worth a look. */
const KEPT = { removeOnFail: { count: 500 } };
const PREPARE_MS = 60_000;

export function connectPostgres(options: { pool: QueuePool; prefix: string }, log: Log): Bull {
  const { pool } = options;
  pool.on('error', createQuietReport(log));
  const connection = withoutListeners(pool);
  const name = queueNameOf(options.prefix);
  return {
    prepare: (signal) => prepare(pool, log, signal),
    createQueue: () => new Queue(name, { connection, defaultJobOptions: JOB_OPTIONS, streams: STREAMS }),
    jobOptions: JOB_OPTIONS_HERE,
    createWorker: (processor, settings) => ({
      worker: new Worker(name, processor, { ...settings, ...KEPT, connection }),
      disconnect: () => {},
    }),
    alive: async (_queue, jobIds) => {
      // BullMQ asks for one job at a time; a window of a thousand would be a thousand statements.
      const { rows } = await pool.query<{ id: string }>(
        `SELECT id FROM bullmq.job
          WHERE queue = $1 AND id = ANY($2::text[]) AND state NOT IN ('completed', 'failed')`,
        [name, [...jobIds]],
      );
      return new Set(rows.map((row) => row.id));
    },
    known: async (_queue, jobIds) => {
      const { rows } = await pool.query<{ id: string }>(
        'SELECT id FROM bullmq.job WHERE queue = $1 AND id = ANY($2::text[])',
        [name, [...jobIds]],
      );
      return rows.map((row) => row.id);
    },
    close: () => {},
  };
}

/**
 * The pool for BullMQ. Every Queue and Worker listens for the pool's errors and never stops, so each one built again
 * after a failed start would leave a listener behind; one listener for all is enough.
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

/** What no waiting cures. */
class PoolUnfitError extends Error {
  override readonly name = 'PoolUnfitError';
}

/** Waits up to a minute for the database, then brings BullMQ's schema up to date. Safe in many processes at once. */
async function prepare(pool: QueuePool, log: Log, signal?: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + PREPARE_MS;
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, 4_000)) {
    try {
      return await within('queue: Postgres', PROBE_MS, () => migrate(pool), signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!mayPass(error) || performance.now() + waitMs > giveUpAt) throw error;
      log.warn({ err: error, waitMs }, 'queue: Postgres is away; trying again');
      await systemClock.sleep(waitMs, signal);
    }
  }
}

function mayPass(error: unknown): boolean {
  if (error instanceof PoolUnfitError) return false;
  if (error instanceof SchemaVersionMismatchError || error instanceof UnsupportedPostgresVersionError)
    return false;
  // 28: who are you; 3D: no such database; 42: not allowed, or no such thing.
  return !/^(28|3D|42)/.test(String((error as { code?: unknown }).code));
}

async function migrate(pool: QueuePool): Promise<void> {
  const client = await pool.connect();
  let broken = true;
  try {
    // Looking first: migrating takes a lock and needs CREATE on the schema, which a worker's role may not have.
    if ((await versionOf(client)) < LATEST_SCHEMA_VERSION) await runMigrations(client);
    const { rows } = await client.query<{ found: boolean }>(
      `SELECT 'bullmq' = ANY(current_schemas(false)) AS found`,
    );
    if (!rows[0]?.found) {
      throw new PoolUnfitError(
        "queue: the pool's search_path must contain bullmq (pool option: options '-c search_path=bullmq,public')",
      );
    }
    broken = false;
  } finally {
    client.release(broken);
  }
}

async function versionOf(client: PgQueryable): Promise<number> {
  try {
    return await assertSchemaCompatibility(client);
  } catch (error) {
    if (error instanceof SchemaMigrationRequiredError) return 0;
    throw error;
  }
}
