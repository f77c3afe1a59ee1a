/** The pool to a real Postgres. */
import pg from 'pg';
import type { Log } from '../log.ts';

export interface PostgresOptions {
  url: string;
  /** First on the search path; our own SQL names it anyway. */
  searchPath: string;
  maxConnections: number;
  log: Pick<Log, 'warn'>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;

/** Opens no connection yet. A hung server is noticed by `query_timeout`, a dead idle one by the error event. */
export function createPostgresPool(options: PostgresOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 5_000,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    application_name: 'wechat-media-archiver',
    options: `-c search_path=${options.searchPath},public`,
  });
  pool.on('error', (error) => options.log.warn({ err: error }, 'an idle database connection broke'));
  return pool;
}
