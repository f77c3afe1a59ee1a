/** The log of deeds: who did what to what, and why. Append-only; the database itself refuses to change it. */
import type { Database, Queryable } from '../database/database.ts';

export type AuditAction = 'redrive' | 'redrive.stop' | 'erase' | 'hold' | 'release' | 'adopt';

export interface AuditEntry {
  readonly at: Date;
  /** The name of the API key, or the part of the program that did it. */
  readonly actor: string;
  readonly action: AuditAction;
  /** An id of a media, an account or a redrive; never an openId. */
  readonly target: string;
  readonly reason?: string | undefined;
}

/** Writes events with the deed they are about: `transaction` is the deed's own. */
export async function writeAuditEntries(
  transaction: Queryable,
  schema: string,
  events: readonly AuditEntry[],
): Promise<void> {
  if (events.length === 0) return;
  await transaction.query(
    `INSERT INTO ${schema}.audit_log (at, actor, action, target, reason)
     SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[])`,
    [
      events.map((event) => event.at),
      events.map((event) => event.actor),
      events.map((event) => event.action),
      events.map((event) => event.target),
      events.map((event) => event.reason ?? null),
    ],
  );
}

/** The part of the program that holds and releases accounts by itself, as events name it. */
export const WORKER = 'worker';

/** SQL: notes that the program itself has released the accounts of the statement's `released`. */
export const releaseEntries = (schema: string, at: string): string =>
  `INSERT INTO ${schema}.audit_log (at, actor, action, target, reason)
   SELECT ${at}, '${WORKER}', 'release', account, 'WeChat answered for one of its media' FROM released`;

export function createAuditLog(database: Database, schema: string) {
  return {
    /**
     * Newest first, `target` one id or account; at most `limit`. `before`: the `seq` of the last one seen. `accounts`:
     * only of these, their media, and the redrives of nothing but them.
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
      return rows.map(({ seq, reason, ...event }) => ({
        ...event,
        seq: Number(seq),
        reason: reason ?? undefined,
      }));
    },
  };
}
