/** The processes that live: a row each, renewed every few seconds by the database's clock. */
import type { Condition } from '../../runtime/health.ts';
import type { Database } from '../database/database.ts';

/** How many workers live, and which place among them, by id, is this one's. */
export interface WorkerRank {
  readonly live: number;
  readonly rank: number;
  /** The database's clock, in the middle of the statement. */
  readonly at: Date;
}

/** What a process tells of itself. */
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
  /** While none is alive: since when the oldest item in the queue waits for one. */
  readonly dueSince?: Date;
}

/** A process that was not seen for so long has died. */
const DEAD = "interval '15 s'";
const KEPT = "interval '10 min'";

interface ProcessRecord {
  name: string;
  is_worker: boolean;
  is_alive: boolean;
  seen_ms: string;
  clock_ahead_ms: string | null;
  conditions: (Omit<Condition, 'since'> & { since: string })[];
}

export function createProcessRegistry(database: Database, schema: string) {
  const alive = `left_at IS NULL AND heartbeat_at >= clock_timestamp() - ${DEAD}`;
  return {
    /** Says that `id` lives, forgets processes that are gone for minutes, and returns the place among the workers. */
    heartbeat: async (id: string, beat: Heartbeat): Promise<WorkerRank> => {
      const [row] = await database.query<{ others: string; before: string; at: Date }>(
        `WITH gone AS (
           DELETE FROM ${schema}.process WHERE heartbeat_at < clock_timestamp() - ${KEPT} AND id <> $1),
         mine AS (
           INSERT INTO ${schema}.process (id, name, is_worker, heartbeat_at, clock_ahead_ms, conditions)
           VALUES ($1, $2, $3, clock_timestamp(), $4, $5)
           ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, left_at = NULL,
             clock_ahead_ms = excluded.clock_ahead_ms, conditions = excluded.conditions)
         SELECT count(*) AS others, count(*) FILTER (WHERE id < $1) AS before, clock_timestamp() AS at
         FROM ${schema}.process WHERE id <> $1 AND is_worker AND ${alive}`,
        [id, beat.name, beat.isWorker, beat.clockAheadMs ?? null, JSON.stringify(beat.conditions)],
      );
      return { live: Number(row!.others) + 1, rank: Number(row!.before), at: row!.at };
    },

    markLeft: async (id: string): Promise<void> => {
      await database.query(`UPDATE ${schema}.process SET left_at = clock_timestamp() WHERE id = $1`, [id]);
    },

    /** The processes that live, and what is known of the workers. */
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
