/** Brings the schema up to this release: numbered .sql files, each applied once, in order, by one process. */
import { readdir, readFile } from 'node:fs/promises';
import { type Database, DatabaseUnavailableError, type Queryable } from './database.ts';
import { requireSchemaName } from './requirements.ts';

/** The schema could not be brought up to date. The program ends with exit code 78. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly exitCode = 78;
}

const FOLDER = new URL('../migrations/', import.meta.url);
const LOCK_WAIT_MS = 60_000;
/** Any number, the same for every release: all processes of one database wait at this lock. */
const LOCK = 7_319_404_221;
/** A migration of the releases before all migrations were folded into 001_catalogue.sql. Each of them applied it. */
const BEFORE_FOLDING = '002_producer.sql';

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

async function loadMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => ({
      number: Number.parseInt(name, 10),
      name,
      sql: await readFile(new URL(name, FOLDER), 'utf8'),
    })),
  );
}

/** The applied migrations, number to name; undefined where the schema or the table is missing. Needs only SELECT. */
async function appliedIn(database: Queryable, schema: string): Promise<Map<number, string> | undefined> {
  const found = await database.query(
    `SELECT FROM pg_class WHERE relname = 'migration'
       AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)`,
    [schema],
  );
  if (found.length === 0) return undefined;
  const rows = await database.query<{ number: number; name: string }>(
    `SELECT number, name FROM ${schema}.migration`,
  );
  return new Map(rows.map(({ number, name }) => [number, name]));
}

/**
 * Throws {@link MigrationError} for a schema of an earlier release that has no way to this one. A higher number that is
 * unknown here belongs to a newer release, whose schema serves this release too.
 */
function requireSameHistory(
  applied: ReadonlyMap<number, string>,
  migrations: readonly Migration[],
  schema: string,
): void {
  const other = [...applied].find(
    ([number, name]) =>
      name === BEFORE_FOLDING || migrations.some((one) => one.number === number && one.name !== name),
  );
  if (!other) return;
  throw new MigrationError(
    `The schema ${schema} was made by an earlier release (its table migration lists ${other[1]}), and this release cannot change it. Move its rows to a new schema: 1. run \`wma export --status pending --status archived > media.ndjson\` while the earlier release still runs, then stop it; 2. set DATABASE_URL to an empty database, or DATABASE_SCHEMA to another name (embedded database: move the folder database out of DATA_DIR); 3. start this release with the same bucket and run \`wma verify --adopt\`, which creates a row for each stored object; 4. run \`wma import media.ndjson\`, which adds the pending items and fills in the other fields.`,
  );
}

/**
 * Applies the missing migrations and returns their names. Many processes may call it at once: one applies, the others
 * wait up to a minute and then throw {@link MigrationError}. The schema of a newer release is left as it is, because
 * every migration must serve the release before it too. If nothing is missing it only reads, so that a role without
 * CREATE can start.
 */
export async function migrate(database: Database, schema: string, now: Date): Promise<string[]> {
  await requireSchemaName(database, schema);
  const migrations = await loadMigrations();
  const missingIn = async (queryable: Queryable) => {
    const applied = await appliedIn(queryable, schema);
    if (applied) requireSameHistory(applied, migrations, schema);
    return { isNew: !applied, missing: migrations.filter(({ number }) => !applied?.has(number)) };
  };
  const { missing: expected } = await missingIn(database);
  if (expected.length === 0) return [];
  try {
    return await database.transaction(async (transaction) => {
      await transaction.query(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`);
      await transaction.query(`SET LOCAL statement_timeout = ${LOCK_WAIT_MS * 5}`);
      await transaction.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      const { isNew, missing } = await missingIn(transaction);
      // IF NOT EXISTS would want the right to create before it looks.
      const spaces = await transaction.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema]);
      if (spaces.length === 0) await transaction.query(`CREATE SCHEMA ${schema}`);
      await transaction.query(`SET LOCAL search_path TO ${schema}`);
      if (isNew) {
        await transaction.query(
          'CREATE TABLE migration (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL)',
        );
      }
      for (const { number, name, sql } of missing) {
        await transaction.query(sql);
        await transaction.query('INSERT INTO migration VALUES ($1, $2, $3)', [number, name, now]);
      }
      return missing.map((migration) => migration.name);
    });
  } catch (error) {
    const cause = (error instanceof DatabaseUnavailableError ? error.cause : error) as Error & {
      code?: string;
    };
    if (cause.code === '55P03') {
      throw new MigrationError(
        `another process has been migrating the schema ${schema} for more than ${LOCK_WAIT_MS / 1000} s; wait for it, then start again`,
        { cause: error },
      );
    }
    if (cause.code === '42501') {
      throw new MigrationError(
        `The schema ${schema} lacks ${expected.map(({ name }) => name).join(', ')}, and the role of DATABASE_URL may not make that (${cause.message}). Run \`wma migrate\` with a DATABASE_URL whose role may: one that has CREATE on the database, and owns the schema once it is there.`,
        { cause: error },
      );
    }
    throw error;
  }
}
