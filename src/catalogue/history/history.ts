/**
 * What happened over time: received, archived, dead, expired and bytes of each step, and the backlog at its end. Triggers
 * write it (001_catalogue.sql, section 2); here it is read, and merged into larger units as it gets older.
 */
import type { Database } from '../database/database.ts';

/** Steps of equal length that touch each other. */
export interface HistoryRange {
  /** The start of the first step. */
  readonly from: Date;
  readonly stepMs: number;
  readonly count: number;
}

export interface HistoryPoint {
  /** The start of the step. */
  readonly at: Date;
  readonly received: number;
  readonly archived: number;
  readonly dead: number;
  readonly expired: number;
  /** Of the archived objects. */
  readonly bytes: number;
  /** Pending items at the end of the step; of the last one: now. */
  readonly backlog: number;
}

const HOUR_MS = 3_600_000;
/** Minutes are there for at least so long; of the time before that there are only hours. */
export const MINUTES_KEPT_MS = 48 * HOUR_MS;
/** A minute's rows are merged when its last statements have been committed. Later ones are merged by the next call. */
const MERGE_AFTER_MS = 2 * 60_000;
/** Rows that one statement merges. */
const MERGE_LIMIT = 5_000;

const COUNTS = ['received', 'archived', 'dead', 'expired', 'bytes', 'pending_change'] as const;
const SUMS = COUNTS.map((name) => `sum(${name}) AS ${name}`).join(', ');
/** Adds to the counts of a row that is there already. */
const ADD = `DO UPDATE SET ${COUNTS.map((name) => `${name} = h.${name} + excluded.${name}`).join(', ')}`;

type Sums = Record<(typeof COUNTS)[number], string>;

/** Of times before this one there may be only hours. */
export const minutesKeptSince = (now: Date): Date =>
  new Date(Math.floor((now.getTime() - MINUTES_KEPT_MS) / HOUR_MS) * HOUR_MS);

export function createHistory(database: Database, schema: string) {
  const minutes = `${schema}.history_minute`;
  const hours = `${schema}.history_hour`;

  /**
   * Moves at most {@link MERGE_LIMIT} rows that `where` finds into larger ones. One statement, so that a process that is
   * killed has moved all of them or none, and rows that another process is moving are left to it. Resolves with the
   * number of rows moved.
   */
  const merge = async (where: string, before: Date, into: string): Promise<number> => {
    const [row] = await database.query<{ n: string }>(
      `WITH moved AS (
         DELETE FROM ${minutes} WHERE (at, account, shard) IN (
           SELECT at, account, shard FROM ${minutes} WHERE ${where} AND at < $1
           ORDER BY at LIMIT ${MERGE_LIMIT} FOR UPDATE SKIP LOCKED)
         RETURNING *
       ), merged AS (${into})
       SELECT count(*) AS n FROM moved`,
      [before],
    );
    return Number(row!.n);
  };

  return {
    /** The steps of the range, of all accounts or of the given ones. A step without activity has zeros. */
    read: async (
      { from, stepMs, count }: HistoryRange,
      accounts?: readonly string[],
    ): Promise<HistoryPoint[]> => {
      const isIncluded = accounts ? 'account = ANY ($4::text[])' : 'true';
      // All that happened after the last step is one more step: only its sum is needed. Grouped by time first, because
      // that is cheaper than to compute the step of each row.
      const changes = (table: string) =>
        `SELECT least(at, $2) AS at, ${SUMS} FROM ${table} WHERE at >= $1 AND ${isIncluded} GROUP BY 1`;
      // One statement, one snapshot: a change is in both, the number of pending items and the history, or in neither.
      const rows = await database.query<Sums & { pending: string; step: number | null }>(
        `SELECT pending.n AS pending, changes.* FROM (
           SELECT coalesce(sum(n), 0) AS n FROM ${schema}.media_count WHERE status = 'pending' AND ${isIncluded}
         ) AS pending LEFT JOIN (
           SELECT floor(date_part('epoch', at - $1) / $3)::integer AS step, ${SUMS}
           FROM (${changes(minutes)} UNION ALL ${changes(hours)}) AS change GROUP BY 1
         ) AS changes ON true`,
        [
          from,
          new Date(from.getTime() + count * stepMs),
          stepMs / 1_000,
          ...(accounts ? [[...accounts]] : []),
        ],
      );
      const byStep = new Map(rows.map((row) => [row.step, row]));
      const sumOf = (step: number, name: keyof Sums) => Number(byStep.get(step)?.[name] ?? 0);
      let backlog = Number(rows[0]!.pending) - sumOf(count, 'pending_change');
      const points: HistoryPoint[] = [];
      for (let step = count - 1; step >= 0; step--) {
        points.push({
          at: new Date(from.getTime() + step * stepMs),
          received: sumOf(step, 'received'),
          archived: sumOf(step, 'archived'),
          dead: sumOf(step, 'dead'),
          expired: sumOf(step, 'expired'),
          bytes: sumOf(step, 'bytes'),
          backlog: Math.max(0, backlog),
        });
        backlog -= sumOf(step, 'pending_change');
      }
      return points.reverse();
    },

    /**
     * Merges the rows of each minute into one, and minutes older than {@link MINUTES_KEPT_MS} into hours. Idempotent;
     * several processes may call it at once. Resolves with the number of rows that were merged.
     */
    merge: async (now: Date, signal: AbortSignal): Promise<number> => {
      const steps = [
        () =>
          merge(
            'shard <> 0',
            new Date(now.getTime() - MERGE_AFTER_MS),
            `INSERT INTO ${minutes} AS h (at, account, shard, ${COUNTS.join(', ')})
             SELECT at, account, 0, ${SUMS} FROM moved GROUP BY 1, 2 ORDER BY 1, 2
             ON CONFLICT (at, account, shard) ${ADD}`,
          ),
        () =>
          merge(
            'true',
            minutesKeptSince(now),
            `INSERT INTO ${hours} AS h (at, account, ${COUNTS.join(', ')})
             SELECT date_trunc('hour', at, 'UTC'), account, ${SUMS} FROM moved GROUP BY 1, 2 ORDER BY 1, 2
             ON CONFLICT (at, account) ${ADD}`,
          ),
      ];
      let merged = 0;
      for (const step of steps) {
        let moved: number;
        do {
          signal.throwIfAborted();
          moved = await step();
          merged += moved;
        } while (moved === MERGE_LIMIT);
      }
      return merged;
    },
  };
}
