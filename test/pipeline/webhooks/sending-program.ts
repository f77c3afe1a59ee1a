/** A process that sends webhooks from the database of DATABASE_URL, so that a test can kill it. */
import { createDatabase } from '../../../src/catalogue/database/database.ts';
import { createPostgresPool } from '../../../src/catalogue/database/postgres.ts';
import { createLog } from '../../../src/runtime/log.ts';
import { SCHEMA } from '../../catalogue/backends.ts';
import { createSending } from './sending.ts';

const log = createLog({ level: 'silent', program: 'test', secrets: [] });
const pool = createPostgresPool({
  url: process.env.DATABASE_URL as string,
  searchPath: SCHEMA,
  maxConnections: 4,
  log,
});
const sending = createSending(createDatabase(pool), {
  timeoutMs: 1_000,
  leaseMs: 1_500,
  everyMs: 50,
  timeScale: 100,
});
process.send?.('ready');
await sending.run(new AbortController().signal);
