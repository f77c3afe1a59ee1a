/** The worker registry: a row for each live process, renewed every few seconds by the database's clock. */
import type { Condition } from '../../runtime/health.ts';
import type { Database } from '../database/database.ts';

/** How many workers are alive, and the rank of this one among them, by id. */
export interface WorkerRank {
  readonly live: number;
  readonly rank: number;
  /** The database's clock, in the middle of the statement. */
  readonly at: Date;
}

/** What a process reports about itself. */
export interface Heartbeat {
  readonly name: string;
  readonly isWorker: boolean;
  readonly clockAheadMs: number | undefined;
  readonly conditions: readonly Condition[];
}

export interface LiveProcess {
  readonly name: string;
  readonly isWorker: boolean;
  readonly clockAheadMs?: number;
  readonly conditions: readonly Condition[];
}

export interface WorkerStatus {
  readonly alive: number;
  /** How long ago the last worker was seen, while none is alive; absent: not within the last minutes. */
  readonly lastSeenMs?: number;
  /** While none is alive: since when the oldest claimed item waits. */
  readonly dueSince?: Date;
}

/** A process without a heartbeat for so long has died. */
const DEAD_AFTER = "interval '15 s'";
/** The row of a dead process is kept for so long: a check asks whether a worker was there lately. */
const KEPT_FOR = "interval '10 min'";

interface ProcessRecord {
  name: string;
  is_worker: boolean;
  is_alive: boolean;
  seen_ms: string;
  clock_ahead_ms: string | null;
  conditions: (Omit<Condition, 'since'> & { since: string })[];
}

export function createProcessRegistry(database: Database, schema: string) {
  const alive = `left_at IS NULL AND heartbeat_at >= clock_timestamp() - ${DEAD_AFTER}`;
  return {
    /** Renews the row of `id`, deletes rows of processes that died minutes ago, and returns the rank among the workers. */
    heartbeat: async (id: string, heartbeat: Heartbeat): Promise<WorkerRank> => {
      const [row] = await database.query<{ others: string; before: string; at: Date }>(
        `WITH gone AS (
           DELETE FROM ${schema}.process WHERE heartbeat_at < clock_timestamp() - ${KEPT_FOR} AND id <> $1),
         mine AS (
           INSERT INTO ${schema}.process (id, name, is_worker, heartbeat_at, clock_ahead_ms, conditions)
           VALUES ($1, $2, $3, clock_timestamp(), $4, $5)
           ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, left_at = NULL,
             clock_ahead_ms = excluded.clock_ahead_ms, conditions = excluded.conditions)
         SELECT count(*) AS others, count(*) FILTER (WHERE id < $1) AS before, clock_timestamp() AS at
         FROM ${schema}.process WHERE id <> $1 AND is_worker AND ${alive}`,
        [
          id,
          heartbeat.name,
          heartbeat.isWorker,
          heartbeat.clockAheadMs ?? null,
          JSON.stringify(heartbeat.conditions),
        ],
      );
      return { live: Number(row!.others) + 1, rank: Number(row!.before), at: row!.at };
    },

    /** The process shuts down in order. */
    markLeft: async (id: string): Promise<void> => {
      await database.query(`UPDATE ${schema}.process SET left_at = clock_timestamp() WHERE id = $1`, [id]);
    },

    /** The live processes, and whether workers are among them. */
    read: async (): Promise<{ processes: LiveProcess[]; workers: WorkerStatus }> => {
      const rows = await database.query<ProcessRecord>(
        `SELECT name, is_worker, clock_ahead_ms, conditions, ${alive} AS is_alive,
                extract(epoch FROM clock_timestamp() - heartbeat_at) * 1000 AS seen_ms
         FROM ${schema}.process ORDER BY name, id`,
      );
      const live = rows.filter((row) => row.is_alive);
      const workers = rows.filter((row) => row.is_worker);
      const count = live.filter((row) => row.is_worker).length;
      return {
        processes: live.map((row) => ({
          name: row.name,
          isWorker: row.is_worker,
          ...(row.clock_ahead_ms === null ? {} : { clockAheadMs: Number(row.clock_ahead_ms) }),
          conditions: row.conditions.map((one) => ({ ...one, since: new Date(one.since) })),
        })),
        workers: count > 0 ? { alive: count } : { alive: 0, ...(await withoutWorkers(workers)) },
      };
    },
  };

  async function withoutWorkers(workers: readonly ProcessRecord[]): Promise<Omit<WorkerStatus, 'alive'>> {
    const [row] = await database.query<{ since: Date | null }>(
      `SELECT min(claimed_at) AS since FROM ${schema}.media WHERE stage = 2`,
    );
    return {
      ...(workers.length > 0 ? { lastSeenMs: Math.min(...workers.map((one) => Number(one.seen_ms))) } : {}),
      ...(row?.since ? { dueSince: row.since } : {}),
    };
  }
}
