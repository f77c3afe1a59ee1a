/** Comparisons of catalogue and bucket: what was asked for, how far it is, what it found. */
import { randomBytes } from 'node:crypto';
import { storableJson } from '../../storable.ts';
import type { Database } from '../database/database.ts';

/** `verify` reads objects of rows, `adopt` gives objects without a row theirs, `orphans` looks both ways. */
export const VERIFICATION_KINDS = ['verify', 'adopt', 'orphans'] as const;
export type VerificationKind = (typeof VERIFICATION_KINDS)[number];
export type VerificationState = 'waiting' | 'running' | 'done' | 'stopped';

/** As asked for over the API; times are RFC 3339. */
export interface VerificationOptions {
  /** `orphans`: the objects of all rows are read, not only asked for by HEAD. `verify` reads them anyway. */
  readonly all?: true | undefined;
  /** So many objects, spread evenly; absent: all. Of `verify` only. */
  readonly sample?: number | undefined;
  readonly filter?:
    | {
        readonly accounts?: readonly string[] | undefined;
        readonly sentFrom?: string | undefined;
        readonly sentTo?: string | undefined;
      }
    | undefined;
  readonly rate?:
    | { readonly bytesPerSecond?: number | undefined; readonly objectsPerSecond?: number | undefined }
    | undefined;
  /** `orphans`: removes what is left of lost races. */
  readonly remove?: boolean | undefined;
  /** `adopt`: says what it would do. */
  readonly dryRun?: boolean | undefined;
}

export interface Verification {
  readonly id: string;
  readonly kind: VerificationKind;
  readonly state: VerificationState;
  readonly options: VerificationOptions;
  /** The name of the key that asked. */
  readonly by: string;
  readonly reason?: string;
  readonly cursor?: string;
  /** Rows and objects looked at. */
  readonly done: number;
  readonly total?: number;
  /** Read from the store. */
  readonly bytes: number;
  /** By what was found; see {@link Finding}. */
  readonly counts: Readonly<Record<string, number>>;
  readonly problem?: string;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly updatedAt: Date;
  readonly endedAt?: Date;
}

export interface Finding {
  readonly what: string;
  readonly id?: string | undefined;
  readonly objectKey?: string | undefined;
  readonly detail?: string | undefined;
}

/** One page of work: what it adds, and where the next begins. */
export interface VerificationPage {
  /** The cursor this page began at. */
  readonly from: string | undefined;
  readonly to: string;
  readonly ended: boolean;
  readonly done: number;
  readonly bytes: number;
  /** The new totals. */
  readonly counts: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

interface VerificationRecord {
  id: string;
  kind: VerificationKind;
  state: VerificationState;
  options: VerificationOptions;
  actor: string;
  reason: string | null;
  cursor: string | null;
  done: string;
  total: string | null;
  bytes: string;
  counts: Record<string, number>;
  problem: string | null;
  created_at: Date;
  started_at: Date | null;
  updated_at: Date;
  ended_at: Date | null;
}

/** How many are remembered; older ones go with what they found. */
const KEPT = 200;

function toVerification(row: VerificationRecord): Verification {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    options: row.options,
    by: row.actor,
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.cursor === null ? {} : { cursor: row.cursor }),
    done: Number(row.done),
    ...(row.total === null ? {} : { total: Number(row.total) }),
    bytes: Number(row.bytes),
    counts: row.counts,
    ...(row.problem === null ? {} : { problem: row.problem }),
    createdAt: row.created_at,
    ...(row.started_at ? { startedAt: row.started_at } : {}),
    updatedAt: row.updated_at,
    ...(row.ended_at ? { endedAt: row.ended_at } : {}),
  };
}

export function createVerifications(database: Database, schema: string) {
  const table = `${schema}.verification`;
  const one = async (text: string, values: unknown[]): Promise<Verification | undefined> => {
    const [row] = await database.query<VerificationRecord>(text, values);
    return row && toVerification(row);
  };

  return {
    /** Asks for one; the sweeper takes it up. Answers its id. */
    create: async (
      asked: {
        kind: VerificationKind;
        options: VerificationOptions;
        by: string;
        reason?: string | undefined;
      },
      now: Date,
    ): Promise<string> => {
      const id = `v_${randomBytes(12).toString('hex')}`;
      await database.query(
        `WITH forgotten AS (
           DELETE FROM ${table} WHERE state IN ('done', 'stopped') AND id IN (
             SELECT id FROM ${table} ORDER BY created_at DESC OFFSET ${KEPT - 1}))
         INSERT INTO ${table} (id, kind, state, options, actor, reason, created_at, updated_at)
         VALUES ($1, $2, 'waiting', $3, $4, $5, $6, $6)`,
        [id, asked.kind, storableJson(asked.options), asked.by, asked.reason ?? null, now],
      );
      return id;
    },

    get: (id: string) => one(`SELECT * FROM ${table} WHERE id = $1`, [id]),

    /** Newest first. */
    list: async (limit: number): Promise<Verification[]> =>
      (
        await database.query<VerificationRecord>(
          `SELECT * FROM ${table} ORDER BY created_at DESC, id LIMIT $1`,
          [limit],
        )
      ).map(toVerification),

    /** The comparison of rows with the bucket that ended last. */
    getLastDone: () =>
      one(
        `SELECT * FROM ${table} WHERE kind = 'verify' AND state = 'done' ORDER BY created_at DESC, id LIMIT 1`,
        [],
      ),

    /** The one whose turn it is: first asked, first done. */
    getNext: () =>
      one(`SELECT * FROM ${table} WHERE state IN ('waiting', 'running') ORDER BY created_at, id LIMIT 1`, []),

    /** Undefined: stopped meanwhile. */
    start: (id: string, total: number | undefined, now: Date) =>
      one(
        `UPDATE ${table} SET state = 'running', total = $2, started_at = $3, updated_at = $3
         WHERE id = $1 AND state = 'waiting' RETURNING *`,
        [id, total ?? null, now],
      ),

    /** Writes a page down, all or nothing. Undefined: stopped, or another one did this page; nothing is counted. */
    savePage: (id: string, step: VerificationPage, now: Date): Promise<Verification | undefined> =>
      database.transaction(async (transaction) => {
        const [row] = await transaction.query<VerificationRecord>(
          `UPDATE ${table}
           SET cursor = $3, done = done + $4, bytes = bytes + $5, counts = $6, problem = NULL, updated_at = $7,
               state = CASE WHEN $8 THEN 'done' ELSE state END, ended_at = CASE WHEN $8 THEN $7::timestamptz END
           WHERE id = $1 AND state = 'running' AND cursor IS NOT DISTINCT FROM $2 RETURNING *`,
          [id, step.from ?? null, step.to, step.done, step.bytes, storableJson(step.counts), now, step.ended],
        );
        if (!row) return undefined;
        if (step.findings.length > 0)
          await transaction.query(
            `INSERT INTO ${table}_finding (verification, at, what, media, object_key, detail)
             SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])`,
            [
              id,
              now,
              step.findings.map(({ what }) => what),
              step.findings.map((finding) => finding.id ?? null),
              step.findings.map(({ objectKey }) => objectKey ?? null),
              step.findings.map(({ detail }) => detail ?? null),
            ],
          );
        return toVerification(row);
      }),

    /** Why it stands still for now. */
    saveProblem: async (id: string, problem: string, now: Date): Promise<void> => {
      await database.query(
        `UPDATE ${table} SET problem = $2, updated_at = $3 WHERE id = $1 AND state = 'running'`,
        [id, problem.slice(0, 300), now],
      );
    },

    /** Ends it where it is; undefined where there is none. One that has ended stays as it ended. */
    stop: async (id: string, now: Date): Promise<Verification | undefined> => {
      await database.query(
        `UPDATE ${table} SET state = 'stopped', ended_at = $2, updated_at = $2
         WHERE id = $1 AND state IN ('waiting', 'running')`,
        [id, now],
      );
      return one(`SELECT * FROM ${table} WHERE id = $1`, [id]);
    },

    /** In the order they were found; `after`: the `seq` of the last one seen. */
    findings: async (id: string, after: number, limit: number) => {
      const rows = await database.query<{
        seq: string;
        at: Date;
        what: string;
        media: string | null;
        object_key: string | null;
        detail: string | null;
      }>(`SELECT * FROM ${table}_finding WHERE verification = $1 AND seq > $2 ORDER BY seq LIMIT $3`, [
        id,
        after,
        limit,
      ]);
      return rows.map((row) => ({
        seq: Number(row.seq),
        at: row.at,
        what: row.what,
        ...(row.media === null ? {} : { id: row.media }),
        ...(row.object_key === null ? {} : { objectKey: row.object_key }),
        ...(row.detail === null ? {} : { detail: row.detail }),
      }));
    },
  };
}
