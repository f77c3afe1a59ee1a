/** Which rows the dispatcher puts into the queue next, and which rows come back from it. */
import type { Reference } from '../../media.ts';
import type { Database } from '../database/database.ts';
import { type MediaRecord, REFERENCE_COLUMNS, type ReferenceRecord, toReference } from '../media/row.ts';
import { storeIsHeld } from './store-hold.ts';

/** A claimed row, which needs a job. */
export interface ClaimedItem {
  readonly id: string;
  readonly generation: number;
  readonly reference: Reference;
}

/** How many rows of an account may be in the queue, those in a short backoff not counted. */
export interface AccountCapacity {
  readonly account: string;
  readonly capacity: number;
}

/** What one claim took, and how many rows of each account were already in the queue. */
export interface Claim {
  readonly claimed: readonly ClaimedItem[];
  readonly inQueue: ReadonlyMap<string, number>;
}

export function createClaims(database: Database, schema: string) {
  const promote = `
    UPDATE ${schema}.media SET stage = 1, next_attempt_at = NULL
    WHERE id IN (
      SELECT id FROM ${schema}.media WHERE stage = 0 AND next_attempt_at <= $1
      ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING id`;

  // A job in its short backoff (next_attempt_at is set in a claimed row) occupies no worker: it counts for the window
  // only. After a hold has lapsed, and until a success ends it, one row is the probe of its account. During the hold only
  // pictures near their deadline are claimed: they have a link that needs no account (pipeline/dispatch/account-hold.ts
  // has the same rule). The rows of the accounts interleave by their rank: round robin.
  const claim = `
    WITH given AS (
      SELECT * FROM unnest($1::text[], $2::integer[]) AS given (account, capacity)
    ), picked AS (
      SELECT due.id, in_queue.n, row_number() OVER (PARTITION BY given.account ORDER BY due.expires_at, due.id) AS rank
      FROM given
      LEFT JOIN ${schema}.account a ON a.account = given.account
      CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE c.next_attempt_at IS NULL)::integer AS n, count(*)::integer AS claimed
        FROM ${schema}.media c WHERE c.account = given.account AND c.stage = 2) AS in_queue
      CROSS JOIN LATERAL (
        SELECT d.id, d.expires_at FROM ${schema}.media d WHERE d.account = given.account AND d.stage = 1
          AND d.expires_at <= CASE WHEN a.held_until > $3 THEN $5::timestamptz ELSE 'infinity' END
          AND (a.held_until IS NULL OR a.held_until <= $3 OR (
            d.kind = 'image' AND d.pic_url IS NOT NULL
            AND (a.hold ->> 'class' IS DISTINCT FROM 'minute_limit' OR a.held_until > d.expires_at)))
        ORDER BY d.expires_at, d.id LIMIT greatest(0, least(
          CASE WHEN a.held_until <= $3 THEN 1 ELSE given.capacity END - in_queue.n, $4 - in_queue.claimed))
        FOR UPDATE SKIP LOCKED) AS due
      WHERE NOT ${storeIsHeld(schema)}
        AND (a.held_until IS NULL OR a.held_until > $3 OR a.probe_until IS NULL OR a.probe_until <= $3)
    )
    UPDATE ${schema}.media m
    SET stage = 2, generation = m.generation + 1, claimed_at = $3, running_since = NULL, next_attempt_at = NULL,
        waiting_reason = NULL
    FROM picked WHERE m.id = picked.id
    RETURNING m.id, m.generation, ${REFERENCE_COLUMNS.map((column) => `m.${column}`).join(', ')},
      picked.n AS in_queue, picked.rank`;

  return {
    /** Makes at most `limit` rows due whose waiting time is over. Returns how many. */
    promote: async (now: Date, limit: number): Promise<number> =>
      (await database.query(promote, [now, limit])).length,

    /**
     * Claims due rows, earliest deadline first inside an account, round robin across accounts. At most `window` rows of
     * an account are claimed at the same time. Of held accounts it claims only pictures that have a link and less than
     * `pictureWindowMs` left. Claims nothing while the store is held.
     */
    claim: async (
      accounts: readonly AccountCapacity[],
      now: Date,
      window: number,
      pictureWindowMs = 0,
    ): Promise<Claim> => {
      const rows = await database.query<
        Pick<MediaRecord, 'id' | 'generation'> & ReferenceRecord & { in_queue: number; rank: string }
      >(claim, [
        accounts.map(({ account }) => account),
        accounts.map(({ capacity }) => capacity),
        now,
        window,
        new Date(now.getTime() + pictureWindowMs),
      ]);
      rows.sort((a, b) => Number(a.rank) - Number(b.rank) || (a.account < b.account ? -1 : 1));
      return {
        claimed: rows.flatMap((row) => {
          const reference = toReference(row);
          return reference ? [{ id: row.id, generation: row.generation, reference }] : [];
        }),
        inQueue: new Map(rows.map((row) => [row.account, row.in_queue])),
      };
    },

    /** Makes claimed rows due again that could not be queued or whose job is lost. Guarded by the generation. */
    requeue: async (jobs: readonly { id: string; generation: number }[]): Promise<number> => {
      const rows = await database.query(
        `UPDATE ${schema}.media m
         SET stage = 1, claimed_at = NULL, running_since = NULL, next_attempt_at = NULL, waiting_reason = NULL
         FROM unnest($1::text[], $2::integer[]) AS job (id, generation)
         WHERE m.id = job.id AND m.generation = job.generation AND m.stage = 2 RETURNING m.id`,
        [jobs.map((job) => job.id), jobs.map((job) => job.generation)],
      );
      return rows.length;
    },

    /** Makes a claimed row due again; it waits with its account. False: another generation, or no hold. */
    requeueHeld: async (job: { id: string; generation: number }): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.media m
         SET stage = 1, claimed_at = NULL, running_since = NULL, waiting_reason = 'accountHeld',
             next_attempt_at = CASE WHEN a.held_until < '9000-01-01' THEN a.held_until END
         FROM ${schema}.account a
         WHERE m.id = $1 AND m.generation = $2 AND m.stage = 2 AND a.account = m.account AND a.held_until IS NOT NULL
         RETURNING m.id`,
        [job.id, job.generation],
      );
      return rows.length > 0;
    },

    /** Rows claimed before `before`, oldest first: never more than the window times the number of accounts. */
    listClaimedBefore: async (
      before: Date,
      limit: number,
    ): Promise<{ id: string; generation: number; claimedAt: Date }[]> => {
      const rows = await database.query<{ id: string; generation: number; claimed_at: Date }>(
        `SELECT id, generation, claimed_at FROM ${schema}.media WHERE stage = 2 AND claimed_at < $1
         ORDER BY account, claimed_at LIMIT $2`,
        [before, limit],
      );
      return rows.map(({ claimed_at, ...row }) => ({ ...row, claimedAt: claimed_at }));
    },
  };
}
