/** What a database must be before anything is written to it. Found at the start, said with the statement that cures. */
import type { Queryable } from './database.ts';

/** The database is not one that this program can work on; the program ends with exit code 78. */
export class DatabaseUnfitError extends Error {
  override readonly name = 'DatabaseUnfitError';
  readonly exitCode = 78;
}

const OLDEST_VERSION = 13;
/** Longer than any of our statements should take, far shorter than anything an operator limits by intent. */
const LEAST_TIMEOUT_MS = 5_000;

const is =
  (...fit: string[]) =>
  (setting: string) =>
    fit.includes(setting.toLowerCase());
const isLongTimeout = (setting: string) => setting === '0' || Number(setting) >= LEAST_TIMEOUT_MS;

/** Settings that this program cannot set behind a pooler (session.ts), or never: setting → whether it is fit, cure. */
const SETTINGS: Readonly<Record<string, { isFit(setting: string): boolean; value: string }>> = {
  DateStyle: { isFit: (setting) => setting.startsWith('ISO'), value: 'ISO' },
  array_nulls: { isFit: is('on'), value: 'on' },
  default_transaction_isolation: { isFit: is('read committed'), value: "'read committed'" },
  default_transaction_read_only: { isFit: is('off'), value: 'off' },
  lock_timeout: { isFit: isLongTimeout, value: '0' },
  session_replication_role: { isFit: is('origin'), value: 'origin' },
  standard_conforming_strings: { isFit: is('on'), value: 'on' },
  statement_timeout: { isFit: isLongTimeout, value: "'30s'" },
  transaction_timeout: { isFit: isLongTimeout, value: '0' },
};

/**
 * Throws {@link DatabaseUnfitError} with every reason at once. Returns what works and yet breaks a promise, as
 * sentences for the log.
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
  if (!server) throw new DatabaseUnfitError('The database of DATABASE_URL does not say what it is.');
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
    // A standby is read only by itself, and waited for until it is promoted.
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
        `synchronous_commit of the database is off: a callback that was answered may be lost when the server crashes; run ALTER ROLE ${server.role} SET synchronous_commit = on`,
      ]
    : [];
}

/** Statements name the schema without quotes, so a reserved word of this server's version cannot be one. */
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
