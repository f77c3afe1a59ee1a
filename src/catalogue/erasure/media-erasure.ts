/**
 * Erases items. An item is marked at once, and all personal data removed from its row; it is finished when none of its
 * objects is left.
 */
import { storableJson } from '../../storable.ts';
import { writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database, Queryable } from '../database/database.ts';

export interface StoredAt {
  readonly bucket: string;
  readonly key: string;
}

/** An object, or one version of it, that could not be deleted. */
export interface RemainingObject extends StoredAt {
  readonly versionId?: string;
  /** `otherBucket`: it is in a bucket other than the configured one. */
  readonly why: 'locked' | 'refused' | 'otherBucket';
  /** When the lock ends, if the store reports it. */
  readonly until?: string;
  readonly legalHold?: true;
  readonly detail?: string;
}

/** Why an erasure is not finished. `busy`: an attempt is running, or a job may still be added to the queue. */
export type Unfinished =
  | { readonly why: 'busy' }
  | { readonly why: 'failure'; readonly problem: string }
  | { readonly why: 'kept'; readonly left: readonly RemainingObject[] };

/** A marked item that this process works on until `dueAt`. */
export interface MarkedItem {
  readonly id: string;
  readonly generation: number;
  /** When it was claimed, if it was in the queue when it was marked. */
  readonly claimedAt?: Date;
  readonly since: Date;
  readonly dueAt: Date;
  readonly uploadId?: string;
  /** Every object that the row has named. */
  readonly objects: readonly StoredAt[];
}

export interface Requester {
  /** The name of the API key, or the part of the program. */
  readonly actor: string;
  readonly reason?: string | undefined;
}

interface MarkedRecord {
  id: string;
  generation: number;
  claimed_at: Date | null;
  erasing_since: Date;
  erase_due_at: Date;
  upload_id: string | null;
  bucket: string | null;
  object_key: string | null;
  former_objects: string[] | null;
}

const MARKED =
  'm.id, m.generation, m.claimed_at, m.erasing_since, m.erase_due_at, m.upload_id, m.bucket, m.object_key, m.former_objects';

function toMarked(record: MarkedRecord): MarkedItem {
  const named = record.bucket && record.object_key ? [`${record.bucket}/${record.object_key}`] : [];
  return {
    id: record.id,
    generation: record.generation,
    ...(record.claimed_at ? { claimedAt: record.claimed_at } : {}),
    since: record.erasing_since,
    dueAt: record.erase_due_at,
    ...(record.upload_id ? { uploadId: record.upload_id } : {}),
    objects: [...new Set([...named, ...(record.former_objects ?? [])])].map((object) => {
      const slash = object.indexOf('/');
      return { bucket: object.slice(0, slash), key: object.slice(slash + 1) };
    }),
  };
}

/**
 * The CTE `family` of a recursive query: the items of `given` (id, account) and their children of the same account
 * (thumbs, variants).
 */
export const withChildren = (schema: string, given: string): string =>
  `family AS (
     ${given}
     UNION
     SELECT child.id, child.account FROM family
     JOIN ${schema}.media child ON child.parent_id = family.id AND child.account = family.account)`;

/** What an item was before it was marked. */
export interface ErasedItem {
  readonly id: string;
  readonly kind: string;
  /** Whether it had a stored file, and its size. */
  readonly hadFile: boolean;
  readonly sizeBytes: number;
}

/**
 * Marks items and their children of the same account (thumbs, variants) in the caller's transaction, with an audit entry
 * for each. Items that are erased already stay as they are. Returns the marked items.
 */
export async function markErased(
  transaction: Queryable,
  schema: string,
  ids: readonly string[],
  { actor, reason, erasure }: Requester & { erasure?: string },
  now: Date,
): Promise<ErasedItem[]> {
  const rows = await transaction.query<{
    id: string;
    account: string;
    was_kind: string;
    had_file: boolean;
    was_bytes: string;
  }>(
    `WITH RECURSIVE ${withChildren(schema, `SELECT id, account FROM ${schema}.media WHERE id = ANY ($1::text[])`)},
     locked AS (
       SELECT m.id, m.kind AS was_kind, m.status = 'archived' AS had_file, coalesce(m.size_bytes, 0) AS was_bytes
       FROM ${schema}.media m JOIN family USING (id)
       WHERE m.status <> 'erased' ORDER BY m.id FOR UPDATE OF m)
     UPDATE ${schema}.media m
     SET status = 'erased', stage = NULL, erasing_since = $2, erase_due_at = $2, erase_unfinished = NULL, erasure = $3,
         media_id = NULL, kind = NULL, variant = NULL, parent_id = NULL, open_id = NULL, msg_id = NULL,
         pic_url = NULL, text = NULL, labels = NULL, traceparent = NULL, sent_at = NULL, expires_at = NULL, closes_at = NULL,
         at_risk_for = NULL,
         running_since = NULL,
         next_attempt_at = NULL, waiting_reason = NULL, attempts = 0, size_bytes = NULL, sha256 = NULL,
         content_type = NULL, declared_type = NULL, file_name = NULL, source = NULL, length_verified = NULL,
         failure = NULL, closed_at = NULL, redrives = NULL, last_redrive = NULL, archived_at = NULL,
         created_at = $2, updated_at = $2
     FROM locked WHERE m.id = locked.id RETURNING m.id, m.account, was_kind, had_file, was_bytes`,
    [[...ids], now, erasure ?? null],
  );
  const marked = rows.map(({ id }) => id);
  await transaction.query(`DELETE FROM ${schema}.attempt WHERE media = ANY ($1::text[])`, [marked]);
  const entries = rows.map(
    ({ id, account }) =>
      ({ at: now, actor, action: 'erase', target: id, accounts: [account], reason }) as const,
  );
  await writeAuditEntries(transaction, schema, entries);
  return rows.map((row) => ({
    id: row.id,
    kind: row.was_kind,
    hadFile: row.had_file,
    sizeBytes: row.had_file ? Number(row.was_bytes) : 0,
  }));
}

export function createMediaErasure(database: Database, schema: string) {
  /** Takes the items that `where` finds; no other sweeper takes them before `until`. */
  const take = async (where: string, values: unknown[], until: Date): Promise<MarkedItem[]> => {
    const rows = await database.query<MarkedRecord>(
      `UPDATE ${schema}.media m SET erase_due_at = $1 WHERE m.id IN (
         SELECT id FROM ${schema}.media WHERE erase_due_at IS NOT NULL AND ${where} FOR UPDATE SKIP LOCKED)
       RETURNING ${MARKED}`,
      [until, ...values],
    );
    return rows.map(toMarked);
  };

  return {
    /** Marks items and their children. From then on only the erasure changes them. Returns the marked ids. */
    erase: async (ids: readonly string[], why: Requester, now: Date): Promise<string[]> => {
      const marked = await database.transaction((transaction) =>
        markErased(transaction, schema, ids, why, now),
      );
      return marked.map(({ id }) => id);
    },

    /** Takes the unfinished of these items, even if another process works on them: every step is idempotent. */
    take: (ids: readonly string[], until: Date): Promise<MarkedItem[]> =>
      take('id = ANY ($2::text[])', [[...ids]], until),

    /** Takes items that are due, oldest first. */
    takeDue: (now: Date, until: Date, limit: number): Promise<MarkedItem[]> =>
      take('erase_due_at <= $2 ORDER BY erase_due_at LIMIT $3', [now, limit], until),

    /** Takes items of one request that are due, oldest first. */
    takeOfErasure: (erasure: string, now: Date, until: Date, limit: number): Promise<MarkedItem[]> =>
      take(
        'erasure = $2 AND erase_due_at <= $3 ORDER BY erase_due_at LIMIT $4',
        [erasure, now, limit],
        until,
      ),

    /** Nothing is left of it. False: another process has taken it meanwhile, or an object was added. */
    finish: async ({ id, dueAt }: Pick<MarkedItem, 'id' | 'dueAt'>, now: Date): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.media
         SET erased_at = $3, created_at = $3, updated_at = $3, claimed_at = NULL, bucket = NULL, object_key = NULL,
             former_objects = NULL, upload_id = NULL, upload_key = NULL, upload_bucket = NULL,
             erasing_since = NULL, erase_due_at = NULL, erase_unfinished = NULL, erasure = NULL
         WHERE id = $1 AND status = 'erased' AND erase_due_at = $2 RETURNING id`,
        [id, dueAt, now],
      );
      return rows.length > 0;
    },

    /** Something is left; the next attempt is at `next`. */
    postpone: async (
      { id, dueAt }: Pick<MarkedItem, 'id' | 'dueAt'>,
      why: Unfinished,
      next: Date,
      now: Date,
    ): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.media SET erase_due_at = $3, erase_unfinished = $4::jsonb, updated_at = $5
         WHERE id = $1 AND status = 'erased' AND erase_due_at = $2`,
        [id, dueAt, next, storableJson(why), now],
      );
    },

    /**
     * An attempt that was running has stored an object after all: opens the erasure again, with this object. False: the
     * item is not erased.
     */
    reopen: async (id: string, { bucket, key }: StoredAt, now: Date): Promise<boolean> => {
      const rows = await database.query(
        `UPDATE ${schema}.media
         SET erased_at = NULL, erasing_since = coalesce(erasing_since, $3), erase_due_at = $3, updated_at = $3,
             former_objects = array_append(array_remove(former_objects, $2), $2)
         WHERE id = $1 AND status = 'erased' RETURNING id`,
        [id, `${bucket}/${key}`, now],
      );
      return rows.length > 0;
    },

    /** How many items are marked and not finished. */
    countUnfinished: async (): Promise<number> => {
      const [row] = await database.query<{ n: string }>(
        `SELECT count(*) AS n FROM ${schema}.media WHERE erase_due_at IS NOT NULL`,
      );
      return Number(row?.n ?? 0);
    },
  };
}
