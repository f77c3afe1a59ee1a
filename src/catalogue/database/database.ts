/** The one way SQL is spoken: a few verbs over a pg.Pool or anything that looks like one. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Notification, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { storableText } from '../../storable.ts';
import { tlsFailureOf } from '../../tls-failures.ts';
import { refusalOf } from './refusal.ts';

/** What is asked of a pool; node-postgres' and the embedded database's both answer to it. */
export interface PoolLike {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
  connect(): Promise<PoolClient>;
}

/** The database could not be reached, did not answer or refused us: nothing is known to be written. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseAwayError';
  /** Where waiting does not help: what it refuses and what to change. */
  readonly refusal: string | undefined;
  constructor(message: string, options: ErrorOptions & { refusal?: string | undefined } = {}) {
    super(message, options);
    this.refusal = options.refusal;
  }
}

export interface Queryable {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
}

export interface Database extends Queryable {
  /**
   * Runs `work` in one transaction on one connection; commits on return, rolls back on a throw. `work` may run more
   * than once, where it met another transaction in a deadlock: it should do nothing but speak SQL.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;
  /** Calls back at each NOTIFY on the channel until closed. Reconnects by itself; a notification may be missed. */
  listen(channel: string, onNotify: () => void, signal: AbortSignal): Promise<void>;
}

/** SQLSTATE classes that say "the server is not there", or too slow to answer, rather than "the statement is wrong". */
const AWAY = /^(08|53|57P0|57014|58|25006|25P03)/;
/** What node-postgres says without a code. */
const AWAY_WORDS = /terminated|timeout|closed|ended|not queryable/i;

function translate(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TypeError || 'failure' in error) return error;
  const refusal = refusalOf(error);
  if (refusal === undefined && !isAway(error)) return error;
  return new DatabaseUnavailableError('the catalogue database is away', { cause: error, refusal });
}

/** FATAL ends the connection, whatever its SQLSTATE. Codes with E are the machine's: sockets, files, names, memory. */
function isAway(error: Error): boolean {
  const { code, severity } = error as { code?: string; severity?: string };
  // A certificate that has expired may be renewed.
  if (tlsFailureOf(error)) return true;
  if (code === undefined) return AWAY_WORDS.test(error.message);
  return AWAY.test(code) || /^E[A-Z]/.test(code) || severity === 'FATAL' || severity === 'PANIC';
}

/** Two statements that met in another order: the database undid one of them whole, so that it can be said again. */
const UNDONE = new Set(['40P01', '40001']);
const UNDONE_TIMES = 3;

async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let times = 1; ; times++) {
    try {
      return await work();
    } catch (error) {
      const { code } = error as { code?: string };
      if (times === UNDONE_TIMES || code === undefined || !UNDONE.has(code)) throw error;
    }
  }
}

const RELISTEN_MS = 1_000;

/** Texts without what Postgres refuses in any of them: NUL and lone surrogates. JSON is made by storableJson. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  return Array.isArray(value) ? value.map(storable) : value;
}

export function createDatabase(pool: PoolLike): Database {
  async function query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]> {
    try {
      return (await again(() => pool.query<Row>(text, values?.map(storable)))).rows;
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

  async function transactOnce<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
    const client = await connect();
    let broken: Error | undefined;
    try {
      // Said here and not in the session: a pooler in transaction mode shares that out.
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      const result = await work({
        query: async <Row extends QueryResultRow>(text: string, values?: unknown[]) =>
          (await client.query<Row>(text, values?.map(storable))).rows,
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
  }

  return {
    query,
    transaction: (work) => again(() => transactOnce(work)),

    listen: async (channel, onNotify, signal) => {
      const name = `"${channel.replaceAll('"', '""')}"`;
      /** Resolves, when it listens, with a promise of its end: the line broke, or the signal was given. */
      const open = async (): Promise<{ ended: Promise<void> }> => {
        const client = await connect();
        const end = Promise.withResolvers<void>();
        const stop = () => end.resolve();
        client.on('notification', (notification: Notification) => {
          if (notification.channel === channel) onNotify();
        });
        client.on('error', stop);
        signal.addEventListener('abort', stop, { once: true });
        if (signal.aborted) stop();
        const ended = end.promise.then(() => {
          client.removeAllListeners('notification');
          signal.removeEventListener('abort', stop);
          client.release(true);
        });
        try {
          await client.query(`LISTEN ${name}`);
        } catch (error) {
          stop();
          throw translate(error);
        }
        return { ended };
      };
      // One at a time: a second listener beside the first would keep a connection for ever.
      const keep = async (first: { ended: Promise<void> }): Promise<void> => {
        let listening: { ended: Promise<void> } | undefined = first;
        while (!signal.aborted) {
          await listening?.ended;
          // The feeder's own timer carries on meanwhile.
          await wait(RELISTEN_MS, undefined, { ref: false, signal }).catch(() => undefined);
          if (!signal.aborted) listening = await open().catch(() => undefined);
        }
      };
      void keep(await open());
    },
  };
}
