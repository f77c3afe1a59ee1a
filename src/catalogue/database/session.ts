/**
 * The settings of a session that change the meaning of a statement or the text of a value. A role, a database or
 * postgresql.conf may set each of them to anything, so every connection sets them.
 *
 * They are set by a statement after connecting and not in the startup packet: PgBouncer refuses packets with
 * parameters that it does not track (08P01), in every pool mode.
 */
import type { ClientBase, CustomTypesConfig } from 'pg';
import pg from 'pg';

/** PgBouncer tracks these for each client, in transaction mode too: pgbouncer.ini, ignore_startup_parameters. */
const TRACKED = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  standard_conforming_strings: 'on',
} as const;

/** These belong to one server connection, which a pooler in transaction mode shares among its clients. */
const UNTRACKED = {
  IntervalStyle: 'postgres',
  array_nulls: 'on',
  bytea_output: 'hex',
  default_transaction_deferrable: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  extra_float_digits: '1',
  idle_session_timeout: '0',
  lock_timeout: '0',
  row_security: 'on',
  transaction_timeout: '0',
  // Compiling a statement takes 100 ms, and no statement of this program runs long enough to win that back.
  jit: 'off',
  transform_null_equals: 'off',
  xmloption: 'content',
} as const;

export interface SessionOptions {
  /** First on the search path; plain identifiers. */
  readonly searchPath: string;
  /** The server ends a statement or an idle transaction that lasts longer. */
  readonly timeoutMs: number;
  /** True: an acknowledged commit is on the server's disk, whatever `synchronous_commit` of the role says. */
  readonly isDurable: boolean;
  /** True: all settings are set behind a pooler too, which must then be one in session mode. */
  readonly needsSession: boolean;
}

const literal = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** One statement, one round trip. A setting that this version of Postgres does not have is left out. */
function settingsStatement(processId: number, options: SessionOptions): string {
  const { searchPath, timeoutMs, isDurable, needsSession } = options;
  const timeout = String(timeoutMs);
  const own = { ...UNTRACKED, statement_timeout: timeout, idle_in_transaction_session_timeout: timeout };
  const rows = [
    ...Object.entries(TRACKED).map(([name, value]) => `(${literal(name)}, ${literal(value)}, false)`),
    ...Object.entries(own).map(([name, value]) => `(${literal(name)}, ${literal(value)}, true)`),
    `('search_path', ${literal(searchPath)}, true)`,
    // "off" loses what was acknowledged when the server crashes; what is stricter than "local" stays.
    ...(isDurable
      ? [
          `('synchronous_commit', CASE current_setting('synchronous_commit')
             WHEN 'off' THEN 'local' ELSE current_setting('synchronous_commit') END, true)`,
        ]
      : []),
  ];
  return `SELECT set_config(name, value, false) FROM (VALUES ${rows.join(', ')}) AS setting (name, value, is_own)
    WHERE current_setting(name, true) IS NOT NULL
      AND (NOT is_own OR ${needsSession} OR pg_backend_pid() = ${processId})`;
}

/** Behind a pooler this is not the process id of the server's session. */
export const processIdOf = (client: unknown): number =>
  Number((client as { processID?: number | null }).processID ?? 0);

export async function prepareSession(client: ClientBase, options: SessionOptions): Promise<void> {
  await client.query(settingsStatement(processIdOf(client), options));
}

const { builtins } = pg.types;
const TIMES = new Set<number>([builtins.TIMESTAMPTZ, builtins.TIMESTAMP, builtins.DATE]);

/**
 * The parsers of node-postgres read a time in another DateStyle as null or as another time. Here it is an error: a pooler
 * between the program and the server did not keep the setting.
 */
export const strictTimes = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    const parse = pg.types.getTypeParser(oid, (format ?? 'text') as 'text');
    if (!TIMES.has(oid) || format === 'binary') return parse;
    return (text: string) => {
      if (/^(\d{4,}-\d\d-\d\d|-?infinity)/.test(text)) return parse(text);
      throw new Error('the database returned a time that is not ISO 8601: its DateStyle is not kept at ISO');
    };
  }) as CustomTypesConfig['getTypeParser'],
};
