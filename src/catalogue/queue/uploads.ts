/** Multipart uploads: recorded in the row until they are completed or aborted. */
import type { Database } from '../database/database.ts';
import { storeIsHeld } from './store-hold.ts';

export interface OpenUpload {
  readonly id: string;
  readonly bucket: string;
  readonly objectKey: string;
  readonly uploadId: string;
}

export function createUploads(database: Database, schema: string) {
  return {
    /**
     * Records an upload before its first part, so that it can be aborted without listing the bucket. False: the row has
     * another generation.
     */
    record: async (job: { id: string; generation: number }, uploadId: string): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.media SET upload_id = $3, upload_key = object_key, upload_bucket = bucket
         WHERE id = $1 AND generation = $2 AND status = 'pending' RETURNING id`,
        [job.id, job.generation, uploadId],
      );
      return rows.length > 0;
    },

    /** Uploads that closed rows or lost attempts left open. None while the store is held: it would not abort them. */
    listOpen: async (before: Date, limit: number): Promise<OpenUpload[]> => {
      const rows = await database.query<{
        id: string;
        bucket: string;
        object_key: string;
        upload_id: string;
      }>(
        `SELECT id, coalesce(upload_bucket, bucket) AS bucket, coalesce(upload_key, object_key) AS object_key, upload_id
         FROM ${schema}.media
         WHERE upload_id IS NOT NULL AND coalesce(upload_key, object_key) IS NOT NULL
           AND stage IS DISTINCT FROM 2 AND updated_at < $1 AND NOT ${storeIsHeld(schema)}
         ORDER BY updated_at LIMIT $2`,
        [before, limit],
      );
      return rows.map((row) => ({
        id: row.id,
        bucket: row.bucket,
        objectKey: row.object_key,
        uploadId: row.upload_id,
      }));
    },

    /** Removes this upload from the row, once it is completed or aborted. */
    clear: async (id: string, uploadId: string): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.media SET upload_id = NULL, upload_key = NULL, upload_bucket = NULL
         WHERE id = $1 AND upload_id = $2`,
        [id, uploadId],
      );
    },
  };
}
