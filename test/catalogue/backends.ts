/** The catalogue on each database it must be the same on. */
import type { TestContext } from 'node:test';
import { type Catalogue, createCatalogue } from '../../src/catalogue/catalogue.ts';
import { createDatabase, type Database } from '../../src/catalogue/database/database.ts';
import { migrate } from '../../src/catalogue/database/migrate.ts';
import { createPostgresPool } from '../../src/catalogue/database/postgres.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { openForTest } from '../embedded/database/open.ts';
import { missing, postgresForTest } from '../machine/services.ts';

export const SCHEMA = 'wma';
export const lifetimes = createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale: 1 });
const log = createLog({ level: 'silent', program: 'test', secrets: [] });

export interface Bundle {
  database: Database;
  catalogue: Catalogue;
}

type Open = (t: Pick<TestContext, 'after' | 'skip'>) => Promise<Database | undefined>;

const embedded: Open = async (t) => {
  const opened = await openForTest();
  t.after(opened.close);
  return createDatabase(opened.pool);
};

const postgres: Open = async (t) => {
  const url = await postgresForTest(t);
  if (!url) return undefined;
  const pool = createPostgresPool({ url, searchPath: SCHEMA, maxConnections: 4, log });
  t.after(() => pool.end());
  return createDatabase(pool);
};

export const backends: readonly { name: string; skip: string | false; open: Open }[] = [
  { name: 'PGlite', skip: false, open: embedded },
  { name: 'Postgres', skip: missing.postgres, open: postgres },
];

/** A migrated catalogue; undefined where the test was skipped. */
export async function setup(t: Pick<TestContext, 'after' | 'skip'>, open: Open): Promise<Bundle | undefined> {
  const database = await open(t);
  if (!database) return undefined;
  await migrate(database, SCHEMA, new Date());
  return { database, catalogue: createCatalogue(database, SCHEMA, lifetimes) };
}
