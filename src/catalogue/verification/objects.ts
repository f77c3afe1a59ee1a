/** Comparing rows with objects: rows of given objects, samples of archived rows, and a row for a found object. */

import type { Reference, Status } from '../../media.ts';
import type { Lifetimes } from '../../runtime/clock.ts';
import { writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database } from '../database/database.ts';
import { type MediaRecord, type MediaRow, toMediaRow } from '../media/row.ts';
import type { StoredObject } from '../queue/outcomes.ts';

/** The part of a row that names its object. */
export interface ObjectRow {
  readonly id: string;
  readonly status: Status;
  readonly bucket?: string;
  readonly objectKey?: string;
}

/** A complete object in the store, and the reference it was made from. */
export interface FoundObject {
  readonly id: string;
  readonly reference: Reference;
  readonly stored: StoredObject;
  /** When it was stored, if the store reports it. */
  readonly storedAt?: Date | undefined;
}

export interface ObjectFilter {
  readonly accounts?: readonly string[];
  readonly sentFrom?: Date;
  readonly sentTo?: Date;
}

const FILTER = `($1::text[] IS NULL OR account = ANY ($1)) AND ($2::timestamptz IS NULL OR sent_at >= $2)
  AND ($3::timestamptz IS NULL OR sent_at < $3)`;
const filterValues = ({ accounts, sentFrom, sentTo }: ObjectFilter) => [
  accounts ? [...accounts] : null,
  sentFrom ?? null,
  sentTo ?? null,
];

export function createObjectRows(database: Database, schema: string, lifetimes: Lifetimes) {
  return {
    /** Rows by id; ids without a row are absent. */
    rowsById: async (ids: readonly string[]): Promise<Map<string, ObjectRow>> => {
      const rows = await database.query<Pick<MediaRecord, 'id' | 'status' | 'bucket' | 'object_key'>>(
        `SELECT id, status, bucket, object_key FROM ${schema}.media WHERE id = ANY ($1::text[])`,
        [[...ids]],
      );
      return new Map(
        rows.map(({ id, status, bucket, object_key }) => [
          id,
          { id, status, ...(bucket ? { bucket } : {}), ...(object_key ? { objectKey: object_key } : {}) },
        ]),
      );
    },

    /** How many rows are archived: from the counts by status if no time is given, else by one scan of an index. */
    countArchived: async (filter: ObjectFilter): Promise<number> => {
      const [row] = await database.query<{ n: string }>(
        filter.sentFrom || filter.sentTo
          ? `SELECT count(*) AS n FROM ${schema}.media WHERE status = 'archived' AND ${FILTER}`
          : `SELECT greatest(0, coalesce(sum(n), 0)) AS n FROM ${schema}.media_count
             WHERE status = 'archived' AND ($1::text[] IS NULL OR account = ANY ($1))`,
        filter.sentFrom || filter.sentTo ? filterValues(filter) : filterValues(filter).slice(0, 1),
      );
      return Number(row?.n ?? 0);
    },

    /**
     * One archived row of each range of ids [from, to), if there is one. Ids are digests, so the first of a range is a
     * random one. A range costs one index lookup, whatever the size of the catalogue.
     */
    sampleArchived: async (
      ranges: readonly { from: string; to: string }[],
      filter: ObjectFilter,
    ): Promise<MediaRow[]> => {
      const rows = await database.query<MediaRecord>(
        `SELECT found.* FROM unnest($4::text[], $5::text[]) AS range (low, high)
         CROSS JOIN LATERAL (
           SELECT * FROM ${schema}.media WHERE id >= range.low AND id < range.high AND status = 'archived' AND ${FILTER}
           ORDER BY id LIMIT 1) AS found`,
        [...filterValues(filter), ranges.map(({ from }) => from), ranges.map(({ to }) => to)],
      );
      return rows.map(toMediaRow);
    },

    /**
     * Inserts the row of a complete object, or makes its row archived: archived wins over every status but erased. Writes
     * an attempt and an audit entry. The attempt that stored the object is counted if none was. `known`: the row is
     * already archived, or erased; nothing was changed.
     */
    adopt: (
      { id, reference, stored, storedAt }: FoundObject,
      by: { actor: string; reason: string },
      now: Date,
    ): Promise<'created' | 'archived' | 'known'> =>
      database.transaction(async (transaction) => {
        const archivedAt = storedAt && storedAt < now ? storedAt : now;
        const [row] = await transaction.query<{ created: boolean; generation: number }>(
          `INSERT INTO ${schema}.media AS m (id, account, media_id, kind, msg_id, sent_at, expires_at, closes_at,
             status, attempts, created_at, updated_at, archived_at, bucket, object_key, size_bytes, sha256, content_type,
             file_name, source, length_verified)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'archived', 1, $9, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
           ON CONFLICT (id) DO UPDATE SET
             status = 'archived', stage = NULL, claimed_at = NULL, running_since = NULL, next_attempt_at = NULL,
             waiting_reason = NULL, failure = NULL, attempts = greatest(m.attempts, 1), updated_at = $9, archived_at = $10,
             bucket = $11,
             object_key = $12, size_bytes = $13, sha256 = $14, content_type = $15, file_name = $16, source = $17,
             length_verified = $18, msg_id = coalesce(m.msg_id, $5),
             upload_key = CASE WHEN m.upload_id IS NOT NULL THEN coalesce(m.upload_key, m.object_key) END,
             upload_bucket = CASE WHEN m.upload_id IS NOT NULL THEN coalesce(m.upload_bucket, m.bucket) END
           WHERE m.status IN ('pending', 'dead', 'expired')
           RETURNING xmax = 0 AS created, generation`,
          [
            id,
            reference.account,
            reference.mediaId,
            reference.kind,
            reference.msgId ?? null,
            reference.sentAt,
            new Date(reference.sentAt.getTime() + lifetimes.lifetimeMs),
            new Date(reference.sentAt.getTime() + lifetimes.lifetimeMs + lifetimes.closingMs),
            now,
            archivedAt,
            stored.bucket,
            stored.objectKey,
            stored.sizeBytes,
            stored.sha256,
            stored.contentType,
            stored.fileName ?? null,
            stored.source,
            stored.lengthVerified,
          ],
        );
        if (!row) return 'known';
        await transaction.query(
          `INSERT INTO ${schema}.attempt (media, started_at, ended_at, generation, outcome, bytes)
           VALUES ($1, $2, $2, $3, 'adopted', $4) ON CONFLICT DO NOTHING`,
          [id, now, row.generation, stored.sizeBytes],
        );
        await writeAuditEntries(transaction, schema, [
          { at: now, action: 'adopt', target: id, accounts: [reference.account], ...by },
        ]);
        return row.created ? 'created' : 'archived';
      }),
  };
}
