/** Requests to erase many items: the request, the progress, and the person's openId only while it is needed. */
import { randomUUID } from 'node:crypto';
import { writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database, Queryable } from '../database/database.ts';
import { type ErasedItem, markErased, type Requester, type Unfinished } from './media-erasure.ts';

export interface Erasure {
  readonly id: string;
  readonly account: string;
  readonly actor: string;
  readonly reason?: string;
  /** `running`: items are being marked or deleted; `kept`: the store refuses to delete what is left. */
  readonly state: 'running' | 'kept' | 'done' | 'failed';
  readonly total: number;
  readonly done: number;
  /** What the marked items were, by kind. */
  readonly removed: readonly RemovedItems[];
  readonly problem?: string;
  readonly createdAt: Date;
  readonly finishedAt?: Date;
  /** At most 100; absent in a list. */
  readonly unfinished?: readonly ({ id: string; since: Date } & Partial<Unfinished>)[];
}

export interface RemovedItems {
  readonly kind: string;
  readonly count: number;
  /** How many of them had a stored file, and the sizes of those together. */
  readonly files: number;
  readonly bytes: number;
}

/** A request whose items are not all marked, which this process works on for a while. */
export interface UnmarkedErasure extends Requester {
  readonly id: string;
  readonly account: string;
  readonly openIdCiphertext: string;
  readonly createdAt: Date;
}

interface ErasureRecord {
  id: string;
  account: string;
  actor: string;
  reason: string | null;
  open_id_ciphertext: string | null;
  total: string;
  removed: RemovedItems[];
  problem: string | null;
  created_at: Date;
  marked_at: Date | null;
  finished_at: Date | null;
}

/** The row, and how many of its items are not finished. */
type CountedRecord = ErasureRecord & { open: string; kept: string };

const MAX_UNFINISHED = 100;

/** Returns the sums by kind with these items added. */
function addRemoved(before: readonly RemovedItems[], items: readonly ErasedItem[]): RemovedItems[] {
  const byKind = new Map(before.map((sum) => [sum.kind, sum]));
  for (const { kind, hadFile, sizeBytes } of items) {
    const { count, files, bytes } = byKind.get(kind) ?? { count: 0, files: 0, bytes: 0 };
    byKind.set(kind, {
      kind,
      count: count + 1,
      files: files + (hadFile ? 1 : 0),
      bytes: bytes + sizeBytes,
    });
  }
  return [...byKind.values()];
}

function toErasure(row: CountedRecord): Erasure {
  const isDone = row.marked_at !== null && row.open === '0';
  const isKept = row.marked_at !== null && row.open === row.kept;
  return {
    id: row.id,
    account: row.account,
    actor: row.actor,
    ...(row.reason === null ? {} : { reason: row.reason }),
    state: isDone ? (row.problem === null ? 'done' : 'failed') : isKept ? 'kept' : 'running',
    total: Number(row.total),
    done: Number(row.total) - Number(row.open),
    removed: row.removed,
    ...(row.problem === null ? {} : { problem: row.problem }),
    createdAt: row.created_at,
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  };
}

export function createErasures(database: Database, schema: string) {
  async function insert(
    transaction: Queryable,
    given: Requester & { account: string; openIdCiphertext?: string },
    now: Date,
    due: Date,
  ): Promise<string> {
    const id = `e_${randomUUID().replaceAll('-', '')}`;
    const { account, actor, reason, openIdCiphertext } = given;
    await transaction.query(
      `INSERT INTO ${schema}.erasure (id, account, actor, reason, open_id_ciphertext, due_at, created_at, marked_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7::timestamptz, CASE WHEN $5::text IS NULL THEN $7::timestamptz END)`,
      [id, account, actor, reason ?? null, openIdCiphertext ?? null, due, now],
    );
    await writeAuditEntries(transaction, schema, [
      { at: now, actor, action: 'erase', target: id, accounts: [account], reason },
    ]);
    return id;
  }

  async function mark(
    transaction: Queryable,
    of: Requester & { id: string },
    ids: readonly string[],
    now: Date,
  ) {
    const { id: erasure, actor, reason } = of;
    const marked = await markErased(transaction, schema, ids, { actor, reason, erasure }, now);
    const [before] = await transaction.query<{ removed: RemovedItems[] }>(
      `SELECT removed FROM ${schema}.erasure WHERE id = $1 FOR UPDATE`,
      [erasure],
    );
    await transaction.query(
      `UPDATE ${schema}.erasure SET total = total + $2, removed = $3::jsonb WHERE id = $1`,
      [erasure, marked.length, JSON.stringify(addRemoved(before?.removed ?? [], marked))],
    );
  }

  /** The rows that `where` finds, each with the number of its items that are not finished. */
  const counted = (where: string) =>
    `SELECT e.*, of.* FROM ${schema}.erasure e CROSS JOIN LATERAL (
       SELECT count(*) AS open, count(*) FILTER (WHERE erase_unfinished ->> 'why' = 'kept') AS kept
       FROM ${schema}.media m WHERE m.erasure = e.id) AS of
     ${where}`;

  return {
    /** Creates a request and marks those of the ids that belong to the account, in one transaction. */
    createForIds: (
      given: Requester & { account: string; ids: readonly string[] },
      now: Date,
    ): Promise<{ id: string; notFound: string[] }> =>
      database.transaction(async (transaction) => {
        const rows = await transaction.query<{ id: string }>(
          `SELECT id FROM ${schema}.media WHERE id = ANY ($1::text[]) AND account = $2`,
          [[...given.ids], given.account],
        );
        const found = new Set(rows.map(({ id }) => id));
        const id = await insert(transaction, given, now, now);
        await mark(transaction, { ...given, id }, [...found], now);
        return { id, notFound: given.ids.filter((one) => !found.has(one)) };
      }),

    /** Creates a request. It is on disk when this resolves, and the caller's to work on until `until`. */
    createForOpenId: (
      given: Requester & { account: string; openIdCiphertext: string },
      now: Date,
      until: Date,
    ): Promise<string> => database.transaction((transaction) => insert(transaction, given, now, until)),

    /** Takes the request that is due longest and not fully marked; no other process takes it before `until`. */
    claimUnmarked: async (now: Date, until: Date): Promise<UnmarkedErasure | undefined> => {
      const [row] = await database.query<ErasureRecord>(
        `UPDATE ${schema}.erasure SET due_at = $2 WHERE id IN (
           SELECT id FROM ${schema}.erasure WHERE finished_at IS NULL AND marked_at IS NULL AND due_at <= $1
           ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *`,
        [now, until],
      );
      if (!row?.open_id_ciphertext) return undefined;
      const { id, account, actor, reason, created_at } = row;
      return {
        id,
        account,
        actor,
        reason: reason ?? undefined,
        openIdCiphertext: row.open_id_ciphertext,
        createdAt: created_at,
      };
    },

    /**
     * Marks up to `limit` items of the openId, of messages before the request. False: there were none left, and the
     * openId was removed from the request.
     */
    markNext: (of: UnmarkedErasure, openId: string, limit: number, now: Date): Promise<boolean> =>
      database.transaction(async (transaction) => {
        const rows = await transaction.query<{ id: string }>(
          `SELECT id FROM ${schema}.media WHERE account = $1 AND open_id = $2
             AND (sent_at <= $3 OR created_at <= $3) ORDER BY sent_at DESC, id DESC LIMIT $4`,
          [of.account, openId, of.createdAt, limit],
        );
        if (rows.length > 0) {
          const ids = rows.map(({ id }) => id);
          await mark(transaction, of, ids, now);
          return true;
        }
        await transaction.query(
          `UPDATE ${schema}.erasure SET open_id_ciphertext = NULL, marked_at = $2 WHERE id = $1`,
          [of.id, now],
        );
        return false;
      }),

    /** The openId cannot be decrypted: marked items are still erased, the others need a new request. */
    abandon: async (id: string, problem: string, now: Date): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.erasure SET open_id_ciphertext = NULL, marked_at = $2, problem = $3 WHERE id = $1`,
        [id, now, problem],
      );
    },

    /** Finishes the requests of which no item is left. */
    finishDone: async (now: Date): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.erasure e SET finished_at = $1, due_at = NULL
         WHERE finished_at IS NULL AND marked_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM ${schema}.media m WHERE m.erasure = e.id)`,
        [now],
      );
    },

    get: async (id: string): Promise<Erasure | undefined> => {
      const [row] = await database.query<CountedRecord>(counted('WHERE e.id = $1'), [id]);
      if (!row) return undefined;
      const unfinished = await database.query<{ id: string; since: Date; left: Unfinished | null }>(
        `SELECT id, erasing_since AS since, erase_unfinished AS left FROM ${schema}.media WHERE erasure = $1
         ORDER BY id LIMIT ${MAX_UNFINISHED}`,
        [id],
      );
      return {
        ...toErasure(row),
        unfinished: unfinished.map(({ id, since, left }) => ({ id, since, ...left })),
      };
    },

    /** Newest first; of these accounts, if they are given. */
    list: async (limit: number, accounts?: readonly string[]): Promise<Erasure[]> => {
      const rows = await database.query<CountedRecord>(
        counted(`WHERE $2::text[] IS NULL OR e.account = ANY ($2) ORDER BY e.created_at DESC, e.id LIMIT $1`),
        [limit, accounts ? [...accounts] : null],
      );
      return rows.map(toErasure);
    },
  };
}
