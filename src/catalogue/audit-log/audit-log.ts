/** The audit log: who did what to what, and why. The database refuses to change or delete an entry. */
import { storableJson } from '../../storable.ts';
import type { Database, Queryable } from '../database/database.ts';

/** Every action, and what its target is. A new one is a line here. */
export const AUDIT_ACTIONS = {
  redrive: 'an item or a redrive',
  'redrive.stop': 'a redrive',
  erase: 'an item or an erasure',
  adopt: 'an item',
  acknowledge: 'an account',
  hold: 'an account, or store',
  release: 'an account, or store',
  'account.check': 'an account',
  'verification.start': 'a verification',
  'verification.stop': 'a verification',
  'alert.test': 'alerts',
  recount: 'counts',
  login: 'session',
  link: 'an item',
  open: 'an item',
  export: 'an export',
  'webhook.create': 'a webhook endpoint',
  'webhook.change': 'a webhook endpoint',
  'webhook.delete': 'a webhook endpoint',
  'webhook.rotate': 'a webhook endpoint',
  'webhook.enable': 'a webhook endpoint',
  'webhook.disable': 'a webhook endpoint',
  'webhook.test': 'a webhook endpoint',
  'webhook.resend': 'a webhook endpoint',
  'webhook.replay': 'a webhook endpoint',
} as const satisfies Record<string, string>;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

export interface AuditEntry {
  readonly at: Date;
  /** The name of the API key, or the part of the program. */
  readonly actor: string;
  readonly action: AuditAction;
  /** What {@link AUDIT_ACTIONS} says; never an openId. */
  readonly target: string;
  /**
   * The accounts that it is about; undefined: the whole installation. A key that is bound to accounts sees only entries
   * whose accounts are all its own.
   */
  readonly accounts: readonly string[] | undefined;
  readonly reason?: string | undefined;
  /** More facts about the action, in few fields. Never a person or a secret. */
  readonly detail?: Readonly<Record<string, unknown>> | undefined;
}

export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  /** The `seq` of the last entry of the page before. */
  readonly before?: number | undefined;
  /** Only entries about these accounts and no other. */
  readonly accounts?: readonly string[] | undefined;
}

interface AuditRecord {
  seq: string;
  at: Date;
  actor: string;
  action: AuditAction;
  target: string;
  accounts: string[] | null;
  reason: string | null;
  detail: Record<string, unknown> | null;
}

/** Writes entries in the transaction of the change that they are about. */
export async function writeAuditEntries(
  transaction: Queryable,
  schema: string,
  entries: readonly AuditEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  await transaction.query(
    `INSERT INTO ${schema}.audit_log (at, actor, action, target, accounts, reason, detail)
     SELECT at, actor, action, target, accounts, reason, detail FROM jsonb_to_recordset($1::jsonb) AS given
       (at timestamptz, actor text, action text, target text, accounts text[], reason text, detail jsonb)`,
    [storableJson(entries)],
  );
}

/** The actor of entries about accounts that the program itself holds or releases. */
export const WORKER = 'worker';

/** An SQL statement that writes an entry for each account of the CTE `released`: the program has released it. */
export const releaseEntries = (schema: string, at: string): string =>
  `INSERT INTO ${schema}.audit_log (at, actor, action, target, accounts, reason)
   SELECT ${at}, '${WORKER}', 'release', account, ARRAY[account], 'WeChat answered for one of its media' FROM released`;

const CONDITIONS: Readonly<Record<string, (value: string) => string>> = {
  actor: (value) => `actor = ${value}`,
  action: (value) => `action = ${value}`,
  target: (value) => `target = ${value}`,
  from: (value) => `at >= ${value}::timestamptz`,
  to: (value) => `at < ${value}::timestamptz`,
  before: (value) => `seq < ${value}::bigint`,
  // The first condition is one that the index has, the second one is the rule.
  accounts: (value) => `accounts && ${value}::text[] AND accounts <@ ${value}::text[]`,
};

/** A key opened the file of an item in this hour. */
export interface OpenEntry {
  readonly actor: string;
  /** The id of the item. */
  readonly target: string;
  readonly account: string;
  /** The beginning of the hour. */
  readonly at: Date;
}

export function createAuditLog(database: Database, schema: string) {
  return {
    /** Writes an entry of its own, about an action that changes no row. */
    write: (entry: AuditEntry): Promise<void> => writeAuditEntries(database, schema, [entry]),

    /** Writes an entry `open` for each key, item and hour that has none yet. Idempotent. */
    addOpens: async (entries: readonly OpenEntry[]): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.audit_log (at, actor, action, target, accounts)
         SELECT at, actor, 'open', target, ARRAY[account]
         FROM jsonb_to_recordset($1::jsonb) AS given (at timestamptz, actor text, target text, account text)
         ON CONFLICT (target, actor, at) WHERE action = 'open' DO NOTHING`,
        [storableJson(entries)],
      );
    },

    /** Entries, newest first. Every condition given must hold. */
    list: async (filter: AuditFilter, limit: number): Promise<(AuditEntry & { seq: number })[]> => {
      const values: unknown[] = [limit];
      const conditions = Object.entries(CONDITIONS).flatMap(([name, condition]) => {
        const value = filter[name as keyof AuditFilter];
        return value === undefined ? [] : [condition(`$${values.push(value)}`)];
      });
      const rows = await database.query<AuditRecord>(
        `SELECT seq, at, actor, action, target, accounts, reason, detail FROM ${schema}.audit_log
         ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''} ORDER BY seq DESC LIMIT $1`,
        values,
      );
      return rows.map(({ seq, accounts, reason, detail, ...entry }) => ({
        ...entry,
        seq: Number(seq),
        accounts: accounts ?? undefined,
        ...(reason === null ? {} : { reason }),
        ...(detail === null ? {} : { detail }),
      }));
    },
  };
}
