/** Multipart uploads that a row remembers until they are completed or aborted. */
import type { Database } from '../database/database.ts';
import { storeIsHeld } from './store-hold.ts';

export function createUploads(database: Database, schema: string) {
  return {
    /** Remembers a multipart before its first part, so that it can be aborted without listing the bucket. */
    record: async (job: { id: string; generation: number }, uploadId: string): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.media SET upload_id = $3, upload_key = object_key, upload_bucket = bucket
         WHERE id = $1 AND generation = $2 AND status = 'pending' RETURNING id`,
        [job.id, job.generation, uploadId],
      );
      return rows.length > 0;
    },

    /** Multiparts that closed rows or long-lost attempts left open; a store that is held would not abort them. */
    listOpen: (
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

    clear: async (id: string, uploadId: string): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.media SET upload_id = NULL, upload_key = NULL, upload_bucket = NULL
         WHERE id = $1 AND upload_id = $2`,
        [id, uploadId],
      );
    },
  };
}
