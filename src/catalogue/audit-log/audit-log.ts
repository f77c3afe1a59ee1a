/** The audit log: who did what to what, and why. The database refuses to change or delete an entry. */
import type { Database, Queryable } from '../database/database.ts';

export type AuditAction =
  | 'redrive'
  | 'redrive.stop'
  | 'erase'
  | 'hold'
  | 'release'
  | 'adopt'
  | 'link'
  | 'open'
  | 'export';

export interface AuditEntry {
  readonly at: Date;
  /** The name of the API key, or the part of the program. */
  readonly actor: string;
  readonly action: AuditAction;
  /** The id of an item, an account, a redrive, an erasure or an export; never an openId. */
  readonly target: string;
  readonly reason?: string | undefined;
}

/** Writes entries in the transaction of the change that they are about. */
export async function writeAuditEntries(
  transaction: Queryable,
  schema: string,
  entries: readonly AuditEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  await transaction.query(
    `INSERT INTO ${schema}.audit_log (at, actor, action, target, reason)
     SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[])`,
    [
      entries.map((entry) => entry.at),
      entries.map((entry) => entry.actor),
      entries.map((entry) => entry.action),
      entries.map((entry) => entry.target),
      entries.map((entry) => entry.reason ?? null),
    ],
  );
}

/** The actor of entries about accounts that the program itself holds or releases. */
export const WORKER = 'worker';

/** An SQL statement that writes an entry for each account of the CTE `released`: the program has released it. */
export const releaseEntries = (schema: string, at: string): string =>
  `INSERT INTO ${schema}.audit_log (at, actor, action, target, reason)
   SELECT ${at}, '${WORKER}', 'release', account, 'WeChat answered for one of its media' FROM released`;

/** A key opened the file of an item in this hour. */
export interface OpenEntry {
  readonly actor: string;
  /** The id of the item. */
  readonly target: string;
  /** The beginning of the hour. */
  readonly at: Date;
}

export function createAuditLog(database: Database, schema: string) {
  return {
    /** Writes entries about what changes no row: links and exports. */
    add: (entries: readonly AuditEntry[]): Promise<void> => writeAuditEntries(database, schema, entries),

    /** Writes an entry `open` for each key, item and hour that has none yet. Idempotent. */
    addOpens: async (entries: readonly OpenEntry[]): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.audit_log (at, actor, action, target)
         SELECT at, actor, 'open', target
         FROM unnest($1::timestamptz[], $2::text[], $3::text[]) AS opens (at, actor, target)
         ON CONFLICT (target, actor, at) WHERE action = 'open' DO NOTHING`,
        [
          entries.map((entry) => entry.at),
          entries.map((entry) => entry.actor),
          entries.map((entry) => entry.target),
        ],
      );
    },

    /**
     * Entries, newest first. `target`: an id or an account. `before`: the `seq` of the last entry of the page before.
     * `accounts`: only entries about these, their items, and redrives of no other account.
     */
    list: async (
      of: {
        target?: string | undefined;
        before?: number | undefined;
        accounts?: readonly string[] | undefined;
      },
      limit: number,
    ): Promise<(AuditEntry & { seq: number })[]> => {
      const rows = await database.query<AuditEntry & { seq: string }>(
        `SELECT seq, at, actor, action, target, reason FROM ${schema}.audit_log e
         WHERE ($1::text IS NULL OR target = $1) AND ($2::bigint IS NULL OR seq < $2)
           AND ($4::text[] IS NULL OR target = ANY($4)
             OR EXISTS (SELECT FROM ${schema}.media m WHERE m.id = e.target AND m.account = ANY($4))
             OR EXISTS (SELECT FROM ${schema}.redrive r
                        WHERE r.id = e.target AND (r.filter -> 'account') <@ to_jsonb($4::text[])))
         ORDER BY seq DESC LIMIT $3`,
        [of.target ?? null, of.before ?? null, limit, of.accounts ? [...of.accounts] : null],
      );
      return rows.map(({ seq, reason, ...entry }) => ({
        ...entry,
        seq: Number(seq),
        reason: reason ?? undefined,
      }));
    },
  };
}
