/** `wma migrate`: only migrates the schema, for deployments that do this before they start the programs. */
import { createDatabase } from '../catalogue/database/database.ts';
import { migrate } from '../catalogue/database/migrate.ts';
import { createPostgresPool } from '../catalogue/database/postgres.ts';
import { requireUsableDatabase } from '../catalogue/database/requirements.ts';
import { ConfigError, loadConfig } from '../config/config.ts';
import { migrateQueue } from '../queue/postgres.ts';
import { createLog } from '../runtime/log.ts';

/**
 * Resolves with the names of the applied migrations; the queue's tables are last if the queue is in the database.
 * Rejects with ConfigError, DatabaseUnavailableError, MigrationError and other errors that `startFailureOf` turns into
 * text.
 */
export async function migrateOnly(config = loadConfig()): Promise<string[]> {
  const { database: address, queue } = config;
  const { url, schema } = address;
  if (!url) {
    const problem = 'is missing: the embedded database is migrated when the program starts';
    throw new ConfigError([
      { variable: 'DATABASE_URL', problem, example: 'DATABASE_URL=postgres://wma@db/wma' },
    ]);
  }
  const log = createLog({ level: 'warn', format: config.log.format, program: 'migrate', secrets: [] });
  const open = (use: 'catalogue' | 'queue', searchPath: string) =>
    createPostgresPool({ url, searchPath, maxConnections: 1, log, use });
  const pool = open('catalogue', schema);
  const queuePool = open('queue', queue.schema);
  try {
    const database = createDatabase(pool);
    await requireUsableDatabase(database);
    const applied = await migrate(database, schema, new Date());
    if (config.shape.queue === 'redis') return applied;
    return (await migrateQueue(queuePool, queue)) ? [...applied, `queue (${queue.schema})`] : applied;
  } finally {
    await Promise.all([pool.end(), queuePool.end()]);
  }
}
