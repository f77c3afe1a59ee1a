/**
 * The two statements of a media that goes well, each for all media that are there at the same moment: sixteen
 * downloads at once make three or four statements of thirty-two. Guarded by the generation, row by row.
 */

import { releaseEntries } from '../audit-log/audit-log.ts';
import type { Database } from '../database/database.ts';
import { createGrouping } from '../database/statement-batcher.ts';
import type { JobAttempt, ReservedKey, StoredObject } from './outcomes.ts';

interface Reservation {
  readonly id: string;
  readonly generation: number;
  readonly bucket: string;
  readonly objectKey: string;
  readonly now: Date;
}

type Done = JobAttempt & StoredObject;

export function createSuccessOutcomes(database: Database, schema: string) {
  const reserveAll = createGrouping<Reservation, ReservedKey>(async (given) => {
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
        // In a bucket of another configuration nothing can be done from here; its lifecycle rule has to.
        row.upload_id && row.upload_key && row.is_here
          ? { leftUploadId: row.upload_id, leftObjectKey: row.upload_key }
          : {},
      ]),
    );
  });

  async function writeArchived(given: readonly Done[]): Promise<ReadonlyMap<string, true>> {
    const rows = await database.query<{ id: string }>(
      `WITH given AS (
         SELECT * FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
             $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::boolean[])
           AS given (id, generation, started_at, ended_at, bucket, object_key, size_bytes, sha256, content_type,
             declared_type, file_name, source, length_verified)
       ), settled AS (
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
         FROM (SELECT account, max(ended_at) AS at FROM settled WHERE source <> 'pic_url' GROUP BY account) AS got
         WHERE a.account = got.account AND a.held_until <= got.at
         RETURNING a.account, got.at
       ), noted AS (
         ${releaseEntries(schema, 'at')}
       ), logged AS (
         INSERT INTO ${schema}.attempt (media, started_at, ended_at, generation, outcome, bytes)
         SELECT id, started_at, ended_at, generation, 'archived', size_bytes FROM settled
         ON CONFLICT DO NOTHING
       )
       SELECT id FROM settled`,
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

  // One account's rows only: the tally is locked account by account, and two statements that took several accounts in
  // different orders would wait for each other. As many as there are accounts.
  const archivedOf = new Map<string, (done: Done) => Promise<true | undefined>>();

  return {
    /**
     * Fixes the object's key in the row before the first byte is sent, so that whatever happens later can be found
     * and removed. Undefined: the row is not this generation's any more; nothing may be stored. An upload left open stays
     * recorded until it is forgotten: its abort may fail.
     */
    reserve: (
      job: { readonly id: string; readonly generation: number },
      object: { readonly bucket: string; readonly objectKey: string },
      now: Date,
    ): Promise<ReservedKey | undefined> =>
      reserveAll({
        id: job.id,
        generation: job.generation,
        bucket: object.bucket,
        objectKey: object.objectKey,
        now,
      }),

    /**
     * Archived wins over every status but erased, and lifts a hold of its account that has lapsed, unless
     * the file came by a link that needs no account. False: another
     * generation has been there, or the row is erased. Those of one `account` share a statement.
     */
    markArchived: async (
      of: JobAttempt & { readonly account?: string },
      stored: StoredObject,
    ): Promise<boolean> => {
      const done = { ...of, ...stored };
      if (of.account === undefined) return (await writeArchived([done])).size > 0;
      let write = archivedOf.get(of.account);
      if (!write) {
        write = createGrouping(writeArchived);
        archivedOf.set(of.account, write);
      }
      return (await write(done)) ?? false;
    },
  };
}
