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
  /** `host (program, pid)`. */
  readonly name: string;
  readonly program: string;
  readonly version: string;
  /** How long it has been running. */
  readonly uptimeMs: number;
  readonly isWorker: boolean;
  /** The items that it works on now. */
  readonly inHand: number;
  readonly clockAheadMs: number | undefined;
  readonly conditions: readonly Condition[];
}

export interface LiveProcess {
  readonly name: string;
  readonly isWorker: boolean;
  readonly clockAheadMs?: number;
  readonly conditions: readonly Condition[];
}

/** A row of the registry. */
export interface RegisteredProcess extends LiveProcess {
  readonly program: string;
  readonly version: string;
  readonly startedAt: Date;
  readonly heartbeatAt: Date;
  /** When it shut down in order; absent if it runs, or died. */
  readonly leftAt?: Date;
  readonly isAlive: boolean;
  readonly inHand: number;
}

export interface WorkerStatus {
  readonly alive: number;
  /** How long ago the last worker was seen, while none is alive; absent: not within the last minutes. */
  readonly lastSeenMs?: number;
  /** While none is alive: since when the oldest item waits for one, as far as is known. */
  readonly dueSince?: Date;
}

/** A process without a heartbeat for so long has died. */
const DEAD_AFTER = "interval '15 s'";
/** The row of a dead process is kept for so long: a check asks whether a worker was there lately. */
const KEPT_FOR = "interval '10 min'";

interface ProcessRecord {
  name: string;
  program: string;
  version: string;
  started_at: Date;
  heartbeat_at: Date;
  left_at: Date | null;
  is_worker: boolean;
  in_hand: number;
  is_alive: boolean;
  seen_ms: string;
  clock_ahead_ms: string | null;
  conditions: (Omit<Condition, 'since'> & { since: string })[];
}

const toLiveProcess = (row: ProcessRecord): LiveProcess => ({
  name: row.name,
  isWorker: row.is_worker,
  ...(row.clock_ahead_ms === null ? {} : { clockAheadMs: Number(row.clock_ahead_ms) }),
  conditions: row.conditions.map((one) => ({ ...one, since: new Date(one.since) })),
});

export function createProcessRegistry(database: Database, schema: string) {
  const alive = `left_at IS NULL AND heartbeat_at >= clock_timestamp() - ${DEAD_AFTER}`;
  return {
    /** Renews the row of `id`, deletes rows of processes that died minutes ago, and returns the rank among the workers. */
    heartbeat: async (id: string, heartbeat: Heartbeat): Promise<WorkerRank> => {
      const [row] = await database.query<{ others: string; before: string; at: Date }>(
        `WITH gone AS (
           DELETE FROM ${schema}.process WHERE heartbeat_at < clock_timestamp() - ${KEPT_FOR} AND id <> $1),
         mine AS (
           INSERT INTO ${schema}.process
             (id, name, is_worker, heartbeat_at, clock_ahead_ms, conditions, program, version, started_at, in_hand)
           VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6, $7, clock_timestamp() - $8 * interval '1 ms', $9)
           ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, left_at = NULL,
             clock_ahead_ms = excluded.clock_ahead_ms, conditions = excluded.conditions, in_hand = excluded.in_hand)
         SELECT count(*) AS others, count(*) FILTER (WHERE id < $1) AS before, clock_timestamp() AS at
         FROM ${schema}.process WHERE id <> $1 AND is_worker AND ${alive}`,
        [
          id,
          heartbeat.name,
          heartbeat.isWorker,
          heartbeat.clockAheadMs ?? null,
          JSON.stringify(heartbeat.conditions),
          heartbeat.program,
          heartbeat.version,
          Math.round(heartbeat.uptimeMs),
          heartbeat.inHand,
        ],
      );
      return { live: Number(row!.others) + 1, rank: Number(row!.before), at: row!.at };
    },

    /** The process shuts down in order. */
    markLeft: async (id: string): Promise<void> => {
      await database.query(`UPDATE ${schema}.process SET left_at = clock_timestamp() WHERE id = $1`, [id]);
    },

    /**
     * The live processes, and whether workers are among them. `accounts`: the configured ones, whose items may wait for
     * a worker.
     */
    read: async (
      accounts: readonly string[],
    ): Promise<{ processes: LiveProcess[]; workers: WorkerStatus }> => {
      const rows = await readRows();
      const live = rows.filter((row) => row.is_alive);
      const workers = rows.filter((row) => row.is_worker);
      const count = live.filter((row) => row.is_worker).length;
      return {
        processes: live.map(toLiveProcess),
        workers: count > 0 ? { alive: count } : { alive: 0, ...(await withoutWorkers(workers, accounts)) },
      };
    },

    /** All rows, by name: the live processes, and those that ended or died within the last ten minutes. */
    list: async (): Promise<RegisteredProcess[]> =>
      (await readRows()).map((row) => ({
        ...toLiveProcess(row),
        program: row.program,
        version: row.version,
        startedAt: row.started_at,
        heartbeatAt: row.heartbeat_at,
        ...(row.left_at ? { leftAt: row.left_at } : {}),
        isAlive: row.is_alive,
        inHand: row.is_alive ? row.in_hand : 0,
      })),
  };

  function readRows(): Promise<ProcessRecord[]> {
    return database.query<ProcessRecord>(
      `SELECT *, ${alive} AS is_alive, extract(epoch FROM clock_timestamp() - heartbeat_at) * 1000 AS seen_ms
       FROM ${schema}.process WHERE heartbeat_at >= clock_timestamp() - ${KEPT_FOR} ORDER BY name, id`,
    );
  }

  async function withoutWorkers(
    workers: readonly ProcessRecord[],
    accounts: readonly string[],
  ): Promise<Omit<WorkerStatus, 'alive'>> {
    // A due row that no dispatcher has claimed waits for a worker too, unless its account or the store is held. One row of
    // each account is read, not the whole backlog. When it became due is not recorded: its last change was before that.
    const [row] = await database.query<{ since: Date | null }>(
      `SELECT least(
         (SELECT min(claimed_at) FROM ${schema}.media WHERE stage = 2),
         (SELECT min(due.updated_at) FROM unnest($1::text[]) AS given (account)
          CROSS JOIN LATERAL (
            SELECT m.updated_at FROM ${schema}.media m WHERE m.account = given.account AND m.stage = 1
            ORDER BY m.expires_at, m.id LIMIT 1) AS due
          WHERE NOT EXISTS (SELECT FROM ${schema}.store_hold WHERE since IS NOT NULL) AND NOT EXISTS (
            SELECT FROM ${schema}.account a WHERE a.account = given.account AND a.held_until IS NOT NULL))
       ) AS since`,
      [[...accounts]],
    );
    return {
      ...(workers.length > 0 ? { lastSeenMs: Math.min(...workers.map((one) => Number(one.seen_ms))) } : {}),
      ...(row?.since ? { dueSince: row.since } : {}),
    };
  }
}
