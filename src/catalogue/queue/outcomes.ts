/**
 * What became of a try, but for the one that went well (archiving.ts). Every statement is guarded by the round: a late
 * worker changes nothing.
 */
import type { Failure } from '../../failures.ts';
import type { Source, WaitingReason } from '../../media.ts';
import { isInt4, storableJson } from '../../storable.ts';
import type { Database } from '../database/database.ts';
import { storeIsHeld } from './store-hold.ts';

/** The try that settles: `id` and `round` name the job, the times go to the log of attempts. */
export interface Try {
  readonly id: string;
  readonly round: number;
  readonly startedAt: Date;
  readonly endedAt: Date;
}

export interface Stored {
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
 * Where a failed media goes: `queue` stays in the queue and is tried again at `at`; `later` leaves the queue until
 * `at`; `held` waits with its account; `due` is as good as never tried; `dead` and `expired` close the row.
 */
export type Next =
  /** Back among the due, which are not fed while their account is held. `at`: when that may end. */
  | { readonly to: 'held'; readonly at: Date }
  /** Back among the due, which are not fed while the store is held. */
  | { readonly to: 'due' }
  | { readonly to: 'queue' | 'later'; readonly at: Date; readonly reason: WaitingReason }
  | { readonly to: 'dead' | 'expired' };

export interface Reserved {
  /** An upload that an earlier try left open, to be aborted. */
  readonly leftUploadId?: string;
  readonly leftObjectKey?: string;
}

/** `media.errcode` is an integer made of the failure: a number that it cannot hold is left out. */
function toColumn({ errcode, ...failure }: Failure): string {
  return storableJson(errcode !== undefined && isInt4(errcode) ? { ...failure, errcode } : failure);
}

export function createOutcomes(database: Database, schema: string) {
  return {
    /** Remembers a multipart before its first part, so that it can be aborted without listing the bucket. */
    recordUpload: async (job: { id: string; round: number }, uploadId: string): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.media SET upload_id = $3, upload_key = object_key, upload_bucket = bucket
         WHERE id = $1 AND round = $2 AND status = 'pending' RETURNING id`,
        [job.id, job.round, uploadId],
      );
      return rows.length > 0;
    },

    /**
     * A try that failed, or a wait that spends none (`spent: false`: holds and quotas). False: not this round's row
     * any more.
     */
    failed: async (of: Try, failure: Failure, next: Next, spent: boolean): Promise<boolean> => {
      const pending = next.to !== 'dead' && next.to !== 'expired';
      const rows = await database.query(
        `WITH settled AS (
           UPDATE ${schema}.media
           -- Freed while this try was still under way, it has no fed_at, and without one nobody would look for its job.
           SET status = $5, stage = $6::smallint,
               fed_at = CASE WHEN $6::smallint = 2 THEN coalesce(fed_at, $4) END, running_since = NULL,
               next_attempt_at = $7, waiting_reason = $8, failure = $9::jsonb, tries = tries + $10, updated_at = $4
           WHERE id = $1 AND round = $2 AND status = 'pending'
           RETURNING id),
         logged AS (
           INSERT INTO ${schema}.attempt (media, started_at, ended_at, round, outcome, code, errcode)
           SELECT id, $3, $4, $2, $11, $9::jsonb ->> 'code', ($9::jsonb ->> 'errcode')::integer FROM settled
           ON CONFLICT DO NOTHING)
         SELECT id FROM settled`,
        [
          of.id,
          of.round,
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
     * Closes those of the given rows whose closesAt has passed, except what is in the queue by now (a try may be
     * running: the worker closes them). Answers the closed rows.
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

    /** Multiparts that closed rows or long-lost tries left open; a store that is held would not abort them. */
    openUploads: (
      before: Date,
      limit: number,
    ): Promise<{ id: string; object_key: string; upload_id: string; bucket: string }[]> =>
      database.query(
        `SELECT id, coalesce(upload_bucket, bucket) AS bucket, coalesce(upload_key, object_key) AS object_key, upload_id
         FROM ${schema}.media
         WHERE upload_id IS NOT NULL AND coalesce(upload_key, object_key) IS NOT NULL
           AND stage IS DISTINCT FROM 2 AND updated_at < $1 AND NOT ${storeIsHeld(schema)}
         ORDER BY updated_at LIMIT $2`,
        [before, limit],
      ),

    forgetUpload: async (id: string, uploadId: string): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.media SET upload_id = NULL, upload_key = NULL, upload_bucket = NULL
         WHERE id = $1 AND upload_id = $2`,
        [id, uploadId],
      );
    },
  };
}
