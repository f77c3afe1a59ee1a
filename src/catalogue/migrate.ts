/** Brings the schema up to this release: numbered .sql files, each applied once, in order, by one process. */
import { readdir, readFile } from 'node:fs/promises';
import type { Database } from './database.ts';

/** The schema could not be brought up to date; the program leaves with exit code 78. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly exitCode = 78;
}

const FOLDER = new URL('./migrations/', import.meta.url);
const LOCK_WAIT_MS = 60_000;
/** Any number, the same for every release: all processes of one database meet at this lock. */
const LOCK = 7_319_404_221;

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

/**
 * Applies what is missing and returns the names applied. Many processes may call it at once: one applies, the others
 * wait up to a minute and then give up with {@link MigrationError}. A schema newer than this release is left alone,
 * because every migration must serve the release before it too.
 */
export async function migrate(database: Database, schema: string, now: Date): Promise<string[]> {
  const migrations = await loadMigrations();
  try {
    return await database.transaction(async (transaction) => {
      await transaction.query(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`);
      await transaction.query(`SET LOCAL statement_timeout = ${LOCK_WAIT_MS * 5}`);
      await transaction.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      await transaction.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
      await transaction.query(`SET LOCAL search_path TO ${schema}`);
      await transaction.query(
        'CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL)',
      );
      const rows = await transaction.query<{ number: number }>('SELECT number FROM migration');
      const applied = new Set(rows.map((row) => row.number));
      const missing = migrations.filter((migration) => !applied.has(migration.number));
      for (const migration of missing) {
        await transaction.query(migration.sql);
        await transaction.query('INSERT INTO migration VALUES ($1, $2, $3)', [
          migration.number,
          migration.name,
          now,
        ]);
      }
      return missing.map((migration) => migration.name);
    });
  } catch (error) {
    if ((error as { code?: string }).code === '55P03') {
      throw new MigrationError(
        `another process has been migrating the schema ${schema} for more than ${LOCK_WAIT_MS / 1000} s; wait for it, then start again`,
        { cause: error },
      );
    }
    throw error;
  }
}
