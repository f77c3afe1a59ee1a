/**
 * Outcomes of attempts that do not succeed; success-outcomes.ts has the others. Every statement is guarded by the
 * generation, so that a late worker changes nothing.
 */
import type { Failure } from '../../failures.ts';
import type { Source, WaitingReason } from '../../media.ts';
import { isInt4, storableJson } from '../../storable.ts';
import type { Database } from '../database/database.ts';
import { type MediaRecord, type MediaRow, toMediaRow } from '../media/row.ts';
import { storeIsHeld } from './store-hold.ts';

/** One run of one job: `id` and `generation` identify the job, the times go to the log of attempts. */
export interface JobAttempt {
  readonly id: string;
  readonly generation: number;
  readonly startedAt: Date;
  readonly endedAt: Date;
}

export interface StoredObject {
  readonly bucket: string;
  readonly objectKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly contentType: string;
  readonly declaredType?: string | undefined;
  readonly fileName?: string | undefined;
  readonly source: Source;
  readonly lengthVerified: boolean;
}

/**
 * The next state of a failed item: `queue` stays in the queue and is attempted again at `at`; `later` leaves the queue
 * until `at`; `held` waits with its account; `due` is as if there had been no attempt; `dead` and `expired` close the
 * row.
 */
export type NextState =
  /** Due again; due rows are not claimed while their account is held. `at`: when the hold may end. */
  | { readonly to: 'held'; readonly at: Date }
  /** Due again; due rows are not claimed while the store is held. */
  | { readonly to: 'due' }
  | { readonly to: 'queue' | 'later'; readonly at: Date; readonly reason: WaitingReason }
  | { readonly to: 'dead' | 'expired' };

export interface ReservedKey {
  /** An upload that an earlier attempt left open; the caller aborts it. */
  readonly leftUploadId?: string;
  readonly leftObjectKey?: string;
}

/** The column errcode is an integer generated from the failure: a number that it cannot hold is left out. */
function toColumn({ errcode, ...failure }: Failure): string {
  return storableJson(errcode !== undefined && isInt4(errcode) ? { ...failure, errcode } : failure);
}

export function createFailureOutcomes(database: Database, schema: string) {
  return {
    /**
     * Writes the failure of an attempt, or of a wait that costs no attempt (`spent: false`: holds and quotas). False: the
     * row has another generation.
     */
    markFailed: async (
      of: JobAttempt,
      failure: Failure,
      next: NextState,
      spent: boolean,
    ): Promise<boolean> => {
      const pending = next.to !== 'dead' && next.to !== 'expired';
      const rows = await database.query(
        `WITH updated AS (
           UPDATE ${schema}.media
           -- A row that was requeued during this attempt has no claimed_at. Without one its job could not be found missing.
           SET status = $5, stage = $6::smallint,
               claimed_at = CASE WHEN $6::smallint = 2 THEN coalesce(claimed_at, $4) END, running_since = NULL,
               next_attempt_at = $7, waiting_reason = $8, failure = $9::jsonb, attempts = attempts + $10, updated_at = $4
           WHERE id = $1 AND generation = $2 AND status = 'pending'
           RETURNING id),
         logged AS (
           INSERT INTO ${schema}.attempt (media, started_at, ended_at, generation, outcome, code, errcode)
           SELECT id, $3, $4, $2, $11, $9::jsonb ->> 'code', ($9::jsonb ->> 'errcode')::integer FROM updated
           ON CONFLICT DO NOTHING)
         SELECT id FROM updated`,
        [
          of.id,
          of.generation,
          of.startedAt,
          of.endedAt,
          pending ? 'pending' : next.to,
          { queue: 2, later: 0, held: 1, due: 1, dead: null, expired: null }[next.to],
          'at' in next ? next.at : null,
          next.to === 'held' ? 'accountHeld' : 'reason' in next ? next.reason : null,
          toColumn(failure),
          spent ? 1 : 0,
          spent ? (pending ? 'failed' : next.to) : 'waited',
        ],
      );
      return rows.length > 0;
    },

    /**
     * Rows past closesAt that are not in the queue, oldest first; closeExpired closes them. None while the store is held,
     * because the last attempt could not be made. Rows that waited for the store still get that attempt: for as long
     * after the release as lies between expiresAt and closesAt they are not listed.
     */
    listExpiring: async (now: Date, closingMs: number, limit: number): Promise<MediaRow[]> =>
      (
        await database.query<MediaRecord>(
          `SELECT * FROM ${schema}.media
           WHERE status = 'pending' AND closes_at <= $1 AND stage < 2 AND (attempts > 0 OR created_at <= $2)
             AND NOT ${storeIsHeld(schema)}
             AND (stage = 0 OR updated_at >= coalesce(
               (SELECT released_at FROM ${schema}.store_hold WHERE released_at > $2), '-infinity'))
           ORDER BY closes_at LIMIT $3`,
          [now, new Date(now.getTime() - closingMs), limit],
        )
      ).map(toMediaRow),

    /**
     * Closes those of the given rows whose closesAt has passed, except rows that are in the queue by now: an attempt may
     * be running, and the worker closes them. Returns the closed rows.
     */
    closeExpired: (ids: readonly string[], now: Date, failure: Failure): Promise<{ id: string }[]> =>
      database.query(
        `UPDATE ${schema}.media
         SET status = 'expired', stage = NULL, next_attempt_at = NULL, waiting_reason = NULL, updated_at = $2,
             failure = coalesce(failure, $3::jsonb)
         WHERE id IN (
           SELECT id FROM ${schema}.media
           WHERE id = ANY ($1::text[]) AND status = 'pending' AND closes_at <= $2 AND stage < 2
           ORDER BY id FOR UPDATE SKIP LOCKED)
         RETURNING id`,
        [[...ids], now, toColumn(failure)],
      ),
  };
}
