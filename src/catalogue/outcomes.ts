/** What became of a try. Every statement is guarded by the round: a late worker changes nothing. */
import type { Failure } from '../failures.ts';
import type { Source, WaitingReason } from '../media.ts';
import type { Database } from './database.ts';
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

export function createOutcomes(database: Database, schema: string) {
  const log = (bytes: string, code: string, errcode: string, outcome: string) => `
    logged AS (
      INSERT INTO ${schema}.attempt (media, started_at, ended_at, round, outcome, code, errcode, bytes)
      SELECT id, $3, $4, $2, ${outcome}, ${code}, ${errcode}, ${bytes} FROM settled
      ON CONFLICT DO NOTHING)`;

  return {
    /**
     * Fixes the object's key in the row before the first byte is sent, so that whatever happens later can be found
     * and removed. Undefined: the row is not this round's any more; nothing may be stored. An upload left open stays
     * recorded until it is forgotten: its abort may fail.
     */
    reserve: async (
      job: { id: string; round: number },
      object: { bucket: string; objectKey: string },
      now: Date,
    ): Promise<Reserved | undefined> => {
      const [row] = await database.query<{
        upload_id: string | null;
        upload_key: string | null;
        upload_bucket: string | null;
      }>(
        `UPDATE ${schema}.media m
         SET bucket = $3, object_key = $4, running_since = $5, next_attempt_at = NULL,
             upload_key = CASE WHEN m.upload_id IS NOT NULL THEN before.left_key END,
             upload_bucket = CASE WHEN m.upload_id IS NOT NULL THEN before.left_bucket END
         FROM (SELECT id, coalesce(upload_key, object_key) AS left_key,
                      coalesce(upload_bucket, bucket) AS left_bucket
               FROM ${schema}.media WHERE id = $1 FOR UPDATE) AS before
         WHERE m.id = before.id AND m.round = $2 AND m.status = 'pending'
         RETURNING m.upload_id, m.upload_key, m.upload_bucket`,
        [job.id, job.round, object.bucket, object.objectKey, now],
      );
      if (!row) return undefined;
      // In a bucket of another configuration nothing can be done from here; its lifecycle rule has to.
      return row.upload_id && row.upload_key && row.upload_bucket === object.bucket
        ? { leftUploadId: row.upload_id, leftObjectKey: row.upload_key }
        : {};
    },

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
     * Archived wins over every status but erased, and lifts a hold of its account that has lapsed, unless
     * the file came by a link that needs no account. False: another
     * round has been there, or the row is erased.
     */
    archived: async (of: Try, stored: Stored): Promise<boolean> => {
      const rows = await database.query(
        `WITH settled AS (
           UPDATE ${schema}.media
           SET status = 'archived', stage = NULL, fed_at = NULL, running_since = NULL, next_attempt_at = NULL,
               waiting_reason = NULL, upload_id = NULL, upload_key = NULL, upload_bucket = NULL, failure = NULL, tries = tries + 1, archived_at = $4,
               updated_at = $4, bucket = $5, object_key = $6, size_bytes = $7, sha256 = $8, content_type = $9,
               declared_type = $10, file_name = $11, source = $12, length_verified = $13
           WHERE id = $1 AND round = $2 AND status IN ('pending', 'dead', 'expired')
           RETURNING id, account),
         released AS (
           UPDATE ${schema}.account
           SET held_until = NULL, held_since = NULL, hold = NULL, probe = NULL, probe_until = NULL
           WHERE account = (SELECT account FROM settled) AND held_until <= $4 AND $12 <> 'pic_url'),
         ${log('$7', 'NULL', 'NULL', "'archived'")}
         SELECT id FROM settled`,
        [
          of.id,
          of.round,
          of.startedAt,
          of.endedAt,
          stored.bucket,
          stored.objectKey,
          stored.sizeBytes,
          stored.sha256,
          stored.contentType,
          stored.declaredType ?? null,
          stored.fileName ?? null,
          stored.source,
          stored.lengthVerified,
        ],
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
           SET status = $5, stage = $6::smallint, fed_at = CASE WHEN $6::smallint = 2 THEN fed_at END, running_since = NULL,
               next_attempt_at = $7, waiting_reason = $8, failure = $9::jsonb, tries = tries + $10, updated_at = $4
           WHERE id = $1 AND round = $2 AND status = 'pending'
           RETURNING id),
         ${log('NULL', "$9::jsonb ->> 'code'", "($9::jsonb ->> 'errcode')::integer", '$11')}
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
          JSON.stringify(failure),
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
        [[...ids], now, JSON.stringify(failure)],
      ),

    /**
     * A dead media becomes pending and due again, with at least the closing window left before it may be closed.
     * Its round moves on, so that a try of before cannot settle it. False: it is not dead, or never downloadable.
     */
    redriveOne: async (id: string, now: Date): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.media
         SET status = 'pending', stage = 1, round = round + 1, fed_at = NULL, running_since = NULL,
             next_attempt_at = NULL, waiting_reason = NULL, updated_at = $2,
             closes_at = greatest(closes_at, $2::timestamptz + (closes_at - expires_at))
         WHERE id = $1 AND status = 'dead' AND failure_code <> 'not_downloadable' RETURNING id`,
        [id, now],
      );
      return rows.length > 0;
    },

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
