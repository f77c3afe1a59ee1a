/** Makes deliveries of the events of the feed. */
import type { Database } from '../database/database.ts';
import { IS_OF_ACCOUNTS, MAX_PENDING, pendingOf } from './endpoints.ts';

/** Events of one endpoint in one statement. */
const PAGE = 500;

export interface FanOut {
  /** Deliveries that were made. */
  readonly made: number;
  /** Whether an endpoint has more events to read now. */
  readonly isMore: boolean;
  /** The end of the feed. */
  readonly head: number;
  /** Whether there is an endpoint that is enabled. */
  readonly isWanted: boolean;
}

/** SQL: whether the endpoint `e` wants the event `v`. */
const WANTED = `(e.types IS NULL OR v.type = ANY(e.types)) AND ${IS_OF_ACCOUNTS}`;
const COLUMNS = 'endpoint, position, event, type, at, account, media, due_at, created_at';

export type ReplayResult =
  | { readonly made: number }
  /** More than the endpoint may have pending: nothing was made. */
  | { readonly matched: number; readonly room: number };

export function createFanOut(database: Database, schema: string) {
  return {
    /**
     * Makes deliveries of the next events of every endpoint, and moves its cursor, in one statement: so each event is
     * fanned out exactly once, and at least once to whom wants it. Endpoints that another process works on are skipped.
     * An endpoint with {@link MAX_PENDING} pending deliveries waits until some have ended.
     */
    fanOut: async (now: Date): Promise<FanOut> => {
      const [row] = await database.query<{ head: string; made: string; behind: boolean; enabled: boolean }>(
        `WITH endpoint AS (
           SELECT e.id, e.position, e.types, e.accounts FROM ${schema}.webhook_endpoint e
           WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL
             AND e.position < (SELECT position FROM ${schema}.event_head)
             AND ${pendingOf(schema, 'e.id')} < ${MAX_PENDING}
           ORDER BY e.id FOR NO KEY UPDATE SKIP LOCKED),
         page AS (
           SELECT e.id AS endpoint, e.position AS before, v.*, ${WANTED} AS wanted
           FROM endpoint e CROSS JOIN LATERAL (
             SELECT position, id AS event, type, at, account, media FROM ${schema}.event
             WHERE position > e.position AND position > (SELECT expired FROM ${schema}.event_head)
             ORDER BY position LIMIT ${PAGE}) AS v),
         made AS (
           INSERT INTO ${schema}.webhook_delivery (${COLUMNS})
           SELECT endpoint, position, event, type, at, account, media, $1, $1 FROM page
           WHERE wanted ORDER BY position, endpoint RETURNING endpoint),
         moved AS (
           UPDATE ${schema}.webhook_endpoint e
           -- Positions have no gaps: a missing one was removed.
           SET position = read.last, missed = e.missed + (read.first - read.before - 1)
           FROM (SELECT endpoint, min(before) AS before, min(position) AS first, max(position) AS last
                 FROM page GROUP BY endpoint) AS read
           WHERE e.id = read.endpoint RETURNING e.position)
         SELECT h.position AS head, (SELECT count(*) FROM made) AS made,
           EXISTS (SELECT FROM moved WHERE moved.position < h.position) AS behind,
           EXISTS (SELECT FROM ${schema}.webhook_endpoint
                   WHERE disabled_at IS NULL AND deleted_at IS NULL) AS enabled
         FROM ${schema}.event_head h`,
        [now],
      );
      return {
        made: Number(row?.made ?? 0),
        isMore: row?.behind ?? false,
        head: Number(row?.head ?? 0),
        isWanted: row?.enabled ?? false,
      };
    },

    /**
     * Makes deliveries of the events after one position up to another that the endpoint wants; all of them, or none if
     * they are more than it may have pending.
     */
    replay: (
      endpoint: string,
      { after, until }: { after: number; until: number },
      now: Date,
    ): Promise<ReplayResult> =>
      database.transaction(async (transaction) => {
        await transaction.query(`SELECT FROM ${schema}.webhook_endpoint WHERE id = $1 FOR NO KEY UPDATE`, [
          endpoint,
        ]);
        const wanted = `FROM ${schema}.webhook_endpoint e
          JOIN ${schema}.event v ON v.position > $2 AND v.position <= $3 AND ${WANTED}
          WHERE e.id = $1 AND e.deleted_at IS NULL`;
        const [row] = await transaction.query<{ matched: string; room: string }>(
          `SELECT (SELECT count(*) ${wanted}) AS matched, ${MAX_PENDING} - ${pendingOf(schema, '$1')} AS room`,
          [endpoint, after, until],
        );
        const matched = Number(row!.matched);
        const room = Number(row!.room);
        if (matched > room) return { matched, room };
        await transaction.query(
          `INSERT INTO ${schema}.webhook_delivery (${COLUMNS})
           SELECT e.id, v.position, v.id, v.type, v.at, v.account, v.media, $4, $4 ${wanted} ORDER BY v.position`,
          [endpoint, after, until, now],
        );
        return { made: matched };
      }),
  };
}
