/** A database: query, transaction and listen, over a pg.Pool or an object with the same interface. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Notification, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { storableText } from '../../storable.ts';
import { tlsFailureOf } from '../../tls-failures.ts';
import { refusalOf } from './refusal.ts';

/** The part of a pool that is used; node-postgres and the embedded database both implement it. */
export interface PoolLike {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
  connect(): Promise<PoolClient>;
}

/** The database could not be reached, did not respond or refused the connection. Nothing is known to be written. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
  /** Where waiting does not help: what the database refuses, and what to change. */
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
   * Runs `work` in one transaction on one connection. Commits when it resolves, rolls back when it rejects. After a
   * deadlock with another transaction `work` runs again: it should do nothing but run SQL.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;
  /** Calls `onNotify` at each NOTIFY on the channel until the signal aborts. Reconnects; a notification may be missed. */
  listen(channel: string, onNotify: () => void, signal: AbortSignal): Promise<void>;
}

/** SQLSTATEs of a server that is unavailable or too slow, as opposed to a statement that is wrong. */
const UNAVAILABLE = /^(08|53|57P0|57014|58|25006|25P03)/;
/** Messages of node-postgres that come without a code. */
const UNAVAILABLE_MESSAGES = /terminated|timeout|closed|ended|not queryable/i;

function translate(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TypeError || 'failure' in error) return error;
  const refusal = refusalOf(error);
  if (refusal === undefined && !isUnavailable(error)) return error;
  return new DatabaseUnavailableError('the catalogue database is unavailable', { cause: error, refusal });
}

/** FATAL ends the connection, whatever its SQLSTATE. Codes with E are the system's: sockets, files, names, memory. */
function isUnavailable(error: Error): boolean {
  const { code, severity } = error as { code?: string; severity?: string };
  // A certificate that has expired may be renewed.
  if (tlsFailureOf(error)) return true;
  if (code === undefined) return UNAVAILABLE_MESSAGES.test(error.message);
  return UNAVAILABLE.test(code) || /^E[A-Z]/.test(code) || severity === 'FATAL' || severity === 'PANIC';
}

/** Whether a statement waited for a lock longer than its `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === '55P03';

/** Deadlock and serialization failure: the database rolled the transaction back, so it can be run again. */
const ROLLED_BACK = new Set(['40P01', '40001']);
const MAX_RUNS = 3;

async function runAgainAfterDeadlock<T>(work: () => Promise<T>): Promise<T> {
  for (let run = 1; ; run++) {
    try {
      return await work();
    } catch (error) {
      const { code } = error as { code?: string };
      if (run === MAX_RUNS || code === undefined || !ROLLED_BACK.has(code)) throw error;
    }
  }
}

const RELISTEN_MS = 1_000;

/** Removes from texts what Postgres refuses: NUL and lone surrogates. JSON is made by storableJson. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  return Array.isArray(value) ? value.map(storable) : value;
}

export function createDatabase(pool: PoolLike): Database {
  async function query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]> {
    try {
      return (await runAgainAfterDeadlock(() => pool.query<Row>(text, values?.map(storable)))).rows;
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
      // In the statement, not in the session: a pooler in transaction mode shares one session among its clients.
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
    transaction: (work) => runAgainAfterDeadlock(() => transactOnce(work)),

    listen: async (channel, onNotify, signal) => {
      const name = `"${channel.replaceAll('"', '""')}"`;
      /** Resolves once it listens. `ended` resolves when the connection breaks or the signal aborts. */
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
      // One listener at a time: a second one would never release its connection.
      const keepListening = async (first: { ended: Promise<void> }): Promise<void> => {
        let listening: { ended: Promise<void> } | undefined = first;
        while (!signal.aborted) {
          await listening?.ended;
          // Meanwhile the dispatcher works by its own timer.
          await wait(RELISTEN_MS, undefined, { ref: false, signal }).catch(() => undefined);
          if (!signal.aborted) listening = await open().catch(() => undefined);
        }
      };
      void keepListening(await open());
    },
  };
}
