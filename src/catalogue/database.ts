/** The one way SQL is spoken: a few verbs over a pg.Pool or anything that looks like one. */
import type { Notification, PoolClient, QueryResult, QueryResultRow } from 'pg';

/** What is asked of a pool; node-postgres' and the embedded database's both answer to it. */
export interface PoolLike {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
  connect(): Promise<PoolClient>;
}

/** The database could not be reached or did not answer: nothing is known to be written. */
export class DatabaseAwayError extends Error {
  override readonly name = 'DatabaseAwayError';
}

export interface Queryable {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
}

export interface Database extends Queryable {
  /** Runs `work` in one transaction on one connection; commits on return, rolls back on a throw. */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;
  /** Calls back at each NOTIFY on the channel until closed. Reconnects by itself; a notification may be missed. */
  listen(channel: string, onNotify: () => void, signal: AbortSignal): Promise<void>;
}

/** SQLSTATE classes that say "the server is not there" rather than "the statement is wrong". */
const AWAY = /^(08|53|57P0|58|25006)/;

function translate(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = (error as { code?: string }).code;
  if (code === undefined ? /terminated|timeout|closed|ended/i.test(error.message) : isAway(code)) {
    return new DatabaseAwayError('the catalogue database is away', { cause: error });
  }
  return error;
}

function isAway(code: string): boolean {
  return AWAY.test(code) || /^E(CONN|TIMEDOUT|PIPE|HOST|NET|AI_AGAIN|NOTFOUND)/.test(code);
}

const RELISTEN_MS = 1_000;

export function createDatabase(pool: PoolLike): Database {
  async function query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]> {
    try {
      return (await pool.query<Row>(text, values)).rows;
    } catch (error) {
      throw translate(error);
    }
  }

  async function connect(): Promise<PoolClient> {
    try {
      return await pool.connect();
    } catch (error) {
      throw translate(error);
    }
  }

  return {
    query,

    transaction: async (work) => {
      const client = await connect();
      let broken: Error | undefined;
      try {
        await client.query('BEGIN');
        const result = await work({
          query: async <Row extends QueryResultRow>(text: string, values?: unknown[]) =>
            (await client.query<Row>(text, values)).rows,
        });
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch((rollbackError: Error) => {
          broken = rollbackError;
        });
        throw translate(error);
      } finally {
        client.release(broken);
      }
    },

    listen: async (channel, onNotify, signal) => {
      const name = `"${channel.replaceAll('"', '""')}"`;
      const open = async (): Promise<void> => {
        if (signal.aborted) return;
        const client = await connect();
        const end = (error?: Error) => {
          client.removeAllListeners('notification');
          client.removeListener('error', lost);
          signal.removeEventListener('abort', stop);
          client.release(error ?? new Error('listener closed'));
        };
        const stop = () => end();
        const lost = (error: Error) => {
          end(error);
          // The feeder's own timer carries on meanwhile.
          const timer = setInterval(() => {
            if (signal.aborted) return clearInterval(timer);
            open().then(
              () => clearInterval(timer),
              () => undefined,
            );
          }, RELISTEN_MS);
          timer.unref();
        };
        client.on('notification', (notification: Notification) => {
          if (notification.channel === channel) onNotify();
        });
        client.on('error', lost);
        signal.addEventListener('abort', stop, { once: true });
        await client.query(`LISTEN ${name}`);
      };
      await open();
    },
  };
}
