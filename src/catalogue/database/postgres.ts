/** The connection pool to Postgres. */
import pg from 'pg';
import type { Log } from '../../runtime/log.ts';
import { prepareSession, type SessionOptions, strictTimes } from './session.ts';

export interface PostgresOptions {
  url: string;
  /** First on the search path; the SQL of the catalogue names its schema anyway. */
  searchPath: string;
  maxConnections: number;
  log: Pick<Log, 'warn'>;
  /**
   * `catalogue` (default): works behind a pooler in transaction mode too, and an acknowledged commit is on disk.
   * `queue`: BullMQ's statements need their search_path and LISTEN, so a session of their own.
   */
  use?: 'catalogue' | 'queue';
}

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;

/** Opens no connection yet. `query_timeout` detects a hung server, the error event a broken idle connection. */
export function createPostgresPool(options: PostgresOptions): pg.Pool {
  const { use = 'catalogue' } = options;
  const session: SessionOptions = {
    searchPath: `${options.searchPath}, public`,
    timeoutMs: STATEMENT_TIMEOUT_MS,
    isDurable: use === 'catalogue',
    needsSession: use === 'queue',
  };
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 5_000,
    application_name: 'wechat-media-archiver',
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool awaits it, its type lacks that
    onConnect: (client) => prepareSession(client, session),
    types: strictTimes,
  });
  // Each client has a listener for its whole life. The pool listens to idle clients only: without this a connection reset
  // inside a transaction would end the process. The user of the client gets the error from its next statement.
  pool.on('connect', (client) => {
    client.on('error', (error) => options.log.warn({ err: error }, 'database: connection broken'));
  });
  pool.on('error', () => {}); // the client's own listener has logged it
  return pool;
}
