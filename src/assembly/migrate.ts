/** The schema alone: for a deployment that migrates before it starts the programs. */
import { createDatabase } from '../catalogue/database.ts';
import { migrate } from '../catalogue/migrate.ts';
import { createPostgresPool } from '../catalogue/postgres.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { createLog } from '../log.ts';

/** The names of what was applied. Throws ConfigError, DatabaseAwayError, MigrationError. */
export async function migrateOnly(): Promise<string[]> {
  const config = loadConfig();
  const { url, schema } = config.database;
  if (!url) {
    const problem = 'is missing: the embedded database is brought up to date when the program starts';
    throw new ConfigError([
      { variable: 'DATABASE_URL', problem, example: 'DATABASE_URL=postgres://wma@db/wma' },
    ]);
  }
  const log = createLog({ level: 'warn', program: 'migrate', secrets: [] });
  const pool = createPostgresPool({ url, searchPath: schema, maxConnections: 1, log });
  try {
    return await migrate(createDatabase(pool), schema, new Date());
  } finally {
    await pool.end();
  }
}
