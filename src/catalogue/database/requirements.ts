/** Checks at the start whether the program can work on the database. A reason holds the statement that helps. */
import type { Queryable } from './database.ts';

/** The program cannot work on this database. It ends with exit code 78. */
export class DatabaseUnfitError extends Error {
  override readonly name = 'DatabaseUnfitError';
  readonly exitCode = 78;
}

const OLDEST_VERSION = 13;
/** Longer than any statement of this program should take, far shorter than a limit that an operator sets on purpose. */
const LEAST_TIMEOUT_MS = 5_000;

const isOneOf =
  (...fit: string[]) =>
  (setting: string) =>
    fit.includes(setting.toLowerCase());
const isLongTimeout = (setting: string) => setting === '0' || Number(setting) >= LEAST_TIMEOUT_MS;

/** Settings that this program cannot set behind a pooler (session.ts), or never. `value`: what to set instead. */
const SETTINGS: Readonly<Record<string, { isFit(setting: string): boolean; value: string }>> = {
  DateStyle: { isFit: (setting) => setting.startsWith('ISO'), value: 'ISO' },
  array_nulls: { isFit: isOneOf('on'), value: 'on' },
  default_transaction_isolation: { isFit: isOneOf('read committed'), value: "'read committed'" },
  default_transaction_read_only: { isFit: isOneOf('off'), value: 'off' },
  lock_timeout: { isFit: isLongTimeout, value: '0' },
  session_replication_role: { isFit: isOneOf('origin'), value: 'origin' },
  standard_conforming_strings: { isFit: isOneOf('on'), value: 'on' },
  statement_timeout: { isFit: isLongTimeout, value: "'30s'" },
  transaction_timeout: { isFit: isLongTimeout, value: '0' },
};

/**
 * Throws {@link DatabaseUnfitError} with all reasons at once. Returns warnings for the log: what works and yet breaks a
 * promise.
 */
export async function requireUsableDatabase(database: Queryable): Promise<string[]> {
  const [server] = await database.query<{
    version: number;
    words: string;
    encoding: string;
    role: string;
    is_standby: boolean;
  }>(
    `SELECT current_setting('server_version_num')::integer / 10000 AS version,
            current_setting('server_version') AS words, current_setting('server_encoding') AS encoding,
            quote_ident(current_user) AS role, pg_is_in_recovery() AS is_standby`,
  );
  const settings = await database.query<{ name: string; setting: string }>(
    'SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])',
    [[...Object.keys(SETTINGS), 'synchronous_commit']],
  );
  if (!server) throw new DatabaseUnfitError('The database of DATABASE_URL does not report its version.');
  const reasons: string[] = [];
  if (server.version < OLDEST_VERSION) {
    reasons.push(`it is Postgres ${server.words}; ${OLDEST_VERSION} or newer is needed`);
  }
  if (server.encoding !== 'UTF8') {
    reasons.push(
      `its encoding is ${server.encoding}, which cannot hold every text of WeChat; make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`,
    );
  }
  for (const { name, setting } of settings) {
    const rule = SETTINGS[name];
    // A standby is read-only; the program waits until it is promoted.
    if (!rule || rule.isFit(setting) || (server.is_standby && name === 'default_transaction_read_only'))
      continue;
    reasons.push(
      `the setting ${name} is ${setting} and cannot be changed for this session; run ALTER ROLE ${server.role} SET ${name} = ${rule.value} (and look for ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET)`,
    );
  }
  if (reasons.length > 0) {
    throw new DatabaseUnfitError(`The database of DATABASE_URL cannot be used: ${reasons.join('. And ')}.`);
  }
  const isAsynchronous = settings.some(
    ({ name, setting }) => name === 'synchronous_commit' && setting === 'off',
  );
  return isAsynchronous
    ? [
        `synchronous_commit of the database is off: an acknowledged callback may be lost when the server crashes; run ALTER ROLE ${server.role} SET synchronous_commit = on`,
      ]
    : [];
}

/** Statements name the schema without quotes, so it cannot be a reserved word of this server's version. */
export async function requireSchemaName(database: Queryable, schema: string): Promise<void> {
  const reserved = await database.query(
    "SELECT FROM pg_get_keywords() WHERE word = $1 AND catcode IN ('R', 'T')",
    [schema],
  );
  if (reserved.length > 0) {
    throw new DatabaseUnfitError(
      `DATABASE_SCHEMA=${schema} is a reserved word of SQL. Choose another name, for example wma_${schema}.`,
    );
  }
}
