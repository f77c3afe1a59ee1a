/** Verifications, which compare the catalogue with the bucket: the request, the progress, the findings. */
import { randomBytes } from 'node:crypto';
import { storableJson } from '../../storable.ts';
import type { Database } from '../database/database.ts';

/** `verify` reads the objects of rows, `adopt` creates rows for objects without one, `orphans` compares both ways. */
export const VERIFICATION_KINDS = ['verify', 'adopt', 'orphans'] as const;
export type VerificationKind = (typeof VERIFICATION_KINDS)[number];
export type VerificationState = 'waiting' | 'running' | 'done' | 'stopped';

/** As requested over the API; times are RFC 3339. */
export interface VerificationOptions {
  /** `orphans`: reads the objects of all rows instead of a HEAD request for each. `verify` always reads them. */
  readonly all?: true | undefined;
  /** `verify`: so many objects, evenly spread; absent: all. */
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
  /** `orphans`: deletes leftovers of lost races. */
  readonly remove?: boolean | undefined;
  /** `adopt`: changes nothing, only counts. */
  readonly dryRun?: boolean | undefined;
}

export interface Verification {
  readonly id: string;
  readonly kind: VerificationKind;
  readonly state: VerificationState;
  readonly options: VerificationOptions;
  /** The name of the API key. */
  readonly by: string;
  readonly reason?: string;
  readonly cursor?: string;
  /** Rows and objects compared so far. */
  readonly done: number;
  readonly total?: number;
  /** Bytes read from the store. */
  readonly bytes: number;
  /** Counts by kind of finding; see {@link Finding}. */
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

/** One page of work: what it adds, and the cursor of the next page. */
export interface VerificationPage {
  /** The cursor at which this page began. */
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

/** So many verifications are kept; older ones are deleted with their findings. */
const MAX_KEPT = 200;

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
    /** Creates one, for the sweeper to do. Returns its id. */
    create: async (
      request: {
        kind: VerificationKind;
        options: VerificationOptions;
        by: string;
        reason?: string | undefined;
      },
      now: Date,
    ): Promise<string> => {
      const { kind, options, by: actor, reason } = request;
      const id = `v_${randomBytes(12).toString('hex')}`;
      await database.query(
        `WITH deleted AS (
           DELETE FROM ${table} WHERE state IN ('done', 'stopped') AND id IN (
             SELECT id FROM ${table} ORDER BY created_at DESC OFFSET ${MAX_KEPT - 1})),
         audited AS (
           INSERT INTO ${schema}.audit_log (at, actor, action, target, reason, detail)
           VALUES ($6, $4, 'verification.start', $1, $5, jsonb_build_object('kind', $2::text)))
         INSERT INTO ${table} (id, kind, state, options, actor, reason, created_at, updated_at)
         VALUES ($1, $2, 'waiting', $3, $4, $5, $6, $6)`,
        [id, kind, storableJson(options), actor, reason ?? null, now],
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

    /** The last verification of kind `verify` that has ended. */
    getLastDone: () =>
      one(
        `SELECT * FROM ${table} WHERE kind = 'verify' AND state = 'done' ORDER BY created_at DESC, id LIMIT 1`,
        [],
      ),

    /** The one to work on: the oldest that has not ended. */
    getNext: () =>
      one(`SELECT * FROM ${table} WHERE state IN ('waiting', 'running') ORDER BY created_at, id LIMIT 1`, []),

    /** Undefined: it was stopped meanwhile. */
    start: (id: string, total: number | undefined, now: Date) =>
      one(
        `UPDATE ${table} SET state = 'running', total = $2, started_at = $3, updated_at = $3
         WHERE id = $1 AND state = 'waiting' RETURNING *`,
        [id, total ?? null, now],
      ),

    /** Writes a page in one transaction. Undefined: it was stopped, or another process did this page; nothing is counted. */
    savePage: (id: string, page: VerificationPage, now: Date): Promise<Verification | undefined> =>
      database.transaction(async (transaction) => {
        const [row] = await transaction.query<VerificationRecord>(
          `UPDATE ${table}
           SET cursor = $3, done = done + $4, bytes = bytes + $5, counts = $6, problem = NULL, updated_at = $7,
               state = CASE WHEN $8 THEN 'done' ELSE state END, ended_at = CASE WHEN $8 THEN $7::timestamptz END
           WHERE id = $1 AND state = 'running' AND cursor IS NOT DISTINCT FROM $2 RETURNING *`,
          [id, page.from ?? null, page.to, page.done, page.bytes, storableJson(page.counts), now, page.ended],
        );
        if (!row) return undefined;
        if (page.findings.length > 0)
          await transaction.query(
            `INSERT INTO ${table}_finding (verification, at, what, media, object_key, detail)
             SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])`,
            [
              id,
              now,
              page.findings.map(({ what }) => what),
              page.findings.map((finding) => finding.id ?? null),
              page.findings.map(({ objectKey }) => objectKey ?? null),
              page.findings.map(({ detail }) => detail ?? null),
            ],
          );
        return toVerification(row);
      }),

    /** Writes why it makes no progress for now. */
    saveProblem: async (id: string, problem: string, now: Date): Promise<void> => {
      await database.query(
        `UPDATE ${table} SET problem = $2, updated_at = $3 WHERE id = $1 AND state = 'running'`,
        [id, problem.slice(0, 300), now],
      );
    },

    /** Stops it; one that has ended stays as it is. Undefined: there is none. */
    stop: async (id: string, actor: string, now: Date): Promise<Verification | undefined> => {
      await database.query(
        `WITH stopped AS (
           UPDATE ${table} SET state = 'stopped', ended_at = $2, updated_at = $2
           WHERE id = $1 AND state IN ('waiting', 'running') RETURNING id)
         INSERT INTO ${schema}.audit_log (at, actor, action, target)
         SELECT $2, $3, 'verification.stop', id FROM stopped`,
        [id, now, actor],
      );
      return one(`SELECT * FROM ${table} WHERE id = $1`, [id]);
    },

    /** Findings in the order they were found. `after`: the `seq` of the last finding of the page before. */
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
