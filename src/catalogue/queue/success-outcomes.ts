/**
 * The two statements of an attempt that succeeds, each for all items that are there at the same moment: sixteen downloads
 * at once make three or four statements instead of thirty-two. Each row is guarded by its own generation.
 */
import { createBatcher } from '../../runtime/concurrency/batcher.ts';
import { releaseEntries } from '../audit-log/audit-log.ts';
import { type Database, DatabaseUnavailableError } from '../database/database.ts';
import type { JobAttempt, ReservedKey, StoredObject } from './outcomes.ts';

interface Reservation {
  readonly id: string;
  readonly generation: number;
  readonly bucket: string;
  readonly objectKey: string;
  readonly now: Date;
}

type Success = JobAttempt & StoredObject;

/** `write` resolves with the results by id; an item whose row was not changed has none. */
function createStatementBatcher<Item extends { readonly id: string }, Result>(
  write: (items: readonly Item[]) => Promise<ReadonlyMap<string, Result>>,
): (item: Item) => Promise<Result | undefined> {
  return createBatcher<Item, Result | undefined>({
    write: async (items) => {
      const results = await write(items);
      return items.map(({ id }) => results.get(id));
    },
    maxSize: 100,
    idOf: ({ id }) => id,
    isShared: (error) => error instanceof DatabaseUnavailableError,
    // A statement may wait for a lock.
    overlapAfterMs: 250,
  }).add;
}

export function createSuccessOutcomes(database: Database, schema: string) {
  const reserve = createStatementBatcher<Reservation, ReservedKey>(async (given) => {
    const rows = await database.query<{
      id: string;
      upload_id: string | null;
      upload_key: string | null;
      is_here: boolean;
    }>(
      `WITH given AS (
         SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[])
           AS given (id, generation, bucket, object_key, at)
       ), before AS (
         SELECT id, coalesce(upload_key, object_key) AS left_key, coalesce(upload_bucket, bucket) AS left_bucket
         FROM ${schema}.media WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE
       )
       UPDATE ${schema}.media m
       SET bucket = given.bucket, object_key = given.object_key, running_since = given.at, next_attempt_at = NULL,
           upload_key = CASE WHEN m.upload_id IS NOT NULL THEN before.left_key END,
           upload_bucket = CASE WHEN m.upload_id IS NOT NULL THEN before.left_bucket END
       FROM given JOIN before ON before.id = given.id
       WHERE m.id = before.id AND m.generation = given.generation AND m.status = 'pending'
       RETURNING m.id, m.upload_id, m.upload_key, m.upload_bucket = given.bucket AS is_here`,
      [
        given.map((one) => one.id),
        given.map((one) => one.generation),
        given.map((one) => one.bucket),
        given.map((one) => one.objectKey),
        given.map((one) => one.now),
      ],
    );
    return new Map(
      rows.map((row) => [
        row.id,
        // This program cannot abort an upload in another bucket; that bucket's lifecycle rule must.
        row.upload_id && row.upload_key && row.is_here
          ? { leftUploadId: row.upload_id, leftObjectKey: row.upload_key }
          : {},
      ]),
    );
  });

  async function writeArchived(given: readonly Success[]): Promise<ReadonlyMap<string, true>> {
    const rows = await database.query<{ id: string }>(
      `WITH given AS (
         SELECT * FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
             $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::boolean[])
           AS given (id, generation, started_at, ended_at, bucket, object_key, size_bytes, sha256, content_type,
             declared_type, file_name, source, length_verified)
       ), updated AS (
         UPDATE ${schema}.media m
         SET status = 'archived', stage = NULL, claimed_at = NULL, running_since = NULL, next_attempt_at = NULL,
             waiting_reason = NULL, upload_id = NULL, upload_key = NULL, upload_bucket = NULL, failure = NULL,
             attempts = m.attempts + 1, archived_at = given.ended_at, updated_at = given.ended_at, bucket = given.bucket,
             object_key = given.object_key, size_bytes = given.size_bytes, sha256 = given.sha256,
             content_type = given.content_type, declared_type = given.declared_type, file_name = given.file_name,
             source = given.source, length_verified = given.length_verified
         FROM given
         WHERE m.id = given.id AND m.generation = given.generation AND m.status IN ('pending', 'dead', 'expired')
         RETURNING m.account, given.*
       ), released AS (
         UPDATE ${schema}.account a
         SET held_until = NULL, held_since = NULL, hold = NULL, probe = NULL, probe_until = NULL
         FROM (
           SELECT account, max(ended_at) AS at, max(started_at) AS started_at
           FROM updated WHERE source <> 'pic_url' GROUP BY account
         ) AS got
         WHERE a.account = got.account AND a.held_until <= got.at AND a.held_since <= got.started_at
         RETURNING a.account, got.at
       ), noted AS (
         ${releaseEntries(schema, 'at')}
       ), logged AS (
         INSERT INTO ${schema}.attempt (media, started_at, ended_at, generation, outcome, bytes)
         SELECT id, started_at, ended_at, generation, 'archived', size_bytes FROM updated
         ON CONFLICT DO NOTHING
       )
       SELECT id FROM updated`,
      [
        given.map((one) => one.id),
        given.map((one) => one.generation),
        given.map((one) => one.startedAt),
        given.map((one) => one.endedAt),
        given.map((one) => one.bucket),
        given.map((one) => one.objectKey),
        given.map((one) => one.sizeBytes),
        given.map((one) => one.sha256),
        given.map((one) => one.contentType),
        given.map((one) => one.declaredType ?? null),
        given.map((one) => one.fileName ?? null),
        given.map((one) => one.source),
        given.map((one) => one.lengthVerified),
      ],
    );
    return new Map(rows.map(({ id }) => [id, true]));
  }

  // One batcher for each account: media_count is locked account by account, and two statements that took several accounts
  // in different orders would wait for each other.
  const batchers = new Map<string, (success: Success) => Promise<true | undefined>>();

  return {
    /**
     * Writes the object's key to the row before the first byte is sent, so that the object can be found and deleted
     * whatever happens later. Undefined: the row has another generation, and nothing may be stored. An upload that was
     * left open stays in the row until it is cleared: aborting it may fail.
     */
    reserve: (
      job: { readonly id: string; readonly generation: number },
      object: { readonly bucket: string; readonly objectKey: string },
      now: Date,
    ): Promise<ReservedKey | undefined> =>
      reserve({
        id: job.id,
        generation: job.generation,
        bucket: object.bucket,
        objectKey: object.objectKey,
        now,
      }),

    /**
     * Archived wins over every status but erased. It ends a hold of its account that has lapsed, unless the file came by
     * a link, which needs no account. False: the row has another generation, or is erased. Items of one `account`
     * share a statement.
     */
    markArchived: async (
      attempt: JobAttempt & { readonly account?: string },
      object: StoredObject,
    ): Promise<boolean> => {
      const success = { ...attempt, ...object };
      if (attempt.account === undefined) return (await writeArchived([success])).size > 0;
      let add = batchers.get(attempt.account);
      if (!add) {
        add = createStatementBatcher(writeArchived);
        batchers.set(attempt.account, add);
      }
      return (await add(success)) ?? false;
    },
  };
}
