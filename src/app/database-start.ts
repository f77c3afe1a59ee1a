/** Opens the catalogue's database at the start of a program: at once, after a wait, or later in the background. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Database, DatabaseUnavailableError } from '../catalogue/database/database.ts';
import type { Log } from '../runtime/log.ts';
import { tlsFailureOf } from '../tls-failures.ts';
import { startFailureOf } from './run.ts';

/**
 * What a program does if the database does not respond at its start. `fail`: it ends. `wait`: it waits until the
 * database responds. `later`: it starts at once and uses the spool until the database responds.
 */
export type WhenUnavailable = 'fail' | 'wait' | 'later';

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4_000;
const LOG_EVERY_MS = 30_000;

/** Whether waiting can help: the database is unavailable for a reason that is not in the configuration. */
const isCurable = (error: unknown) =>
  error instanceof DatabaseUnavailableError && error.refusal === undefined;

export interface OpenedDatabase {
  /** Rejects with {@link DatabaseUnavailableError} until the database is ready, and then works like the database. */
  readonly database: Database;
  /** Whether the database is not ready yet. */
  readonly isUnavailable: boolean;
}

/**
 * Calls `prepare` until it succeeds. Rejects with its error if waiting cannot help. With `later` the program already
 * runs, so such errors are only logged, and `prepare` is called again.
 */
export async function openDatabase(
  database: Database,
  options: {
    whenUnavailable: WhenUnavailable;
    prepare: (database: Database) => Promise<void>;
    log: Pick<Log, 'info' | 'warn' | 'error'>;
    signal: AbortSignal;
  },
): Promise<OpenedDatabase> {
  const { whenUnavailable, prepare, log, signal } = options;
  const ready = Promise.withResolvers<void>();
  let isReady = false;
  let loggedAtMs = Number.NEGATIVE_INFINITY;

  function logFailure(error: unknown): void {
    if (performance.now() - loggedAtMs < LOG_EVERY_MS) return;
    loggedAtMs = performance.now();
    if (isCurable(error) && !tlsFailureOf(error))
      log.warn({ err: (error as Error).cause ?? error }, 'database: no response from DATABASE_URL, retrying');
    else log.error(startFailureOf('database', error).text);
  }

  /** Resolves once the database is ready. Rejects with an error for which `isRetried` returns false. */
  async function prepareUntilReady(isRetried: (error: unknown) => boolean): Promise<void> {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      try {
        return await prepare(database);
      } catch (error) {
        if (signal.aborted || !isRetried(error)) throw error;
        logFailure(error);
      }
      await wait(waitMs, undefined, { signal });
    }
  }

  try {
    await (whenUnavailable === 'wait' ? prepareUntilReady(isCurable) : prepare(database));
    return { database, isUnavailable: false };
  } catch (error) {
    if (whenUnavailable !== 'later' || !isCurable(error)) throw error;
    logFailure(error);
  }

  prepareUntilReady(() => true).then(
    () => {
      isReady = true;
      ready.resolve();
      log.info('database: available');
    },
    () => undefined, // closing
  );
  /** Rejects all statements until the database is ready, because its tables may be missing or of an older release. */
  const whenReady =
    <Args extends unknown[], Result>(method: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      if (!isReady)
        throw new DatabaseUnavailableError('the catalogue database has not responded since the start');
      return await method(...args);
    };
  return {
    isUnavailable: true,
    database: {
      query: whenReady(database.query) as Database['query'],
      transaction: whenReady(database.transaction) as Database['transaction'],
      listen: async (...args) => {
        await ready.promise;
        await database.listen(...args);
      },
    },
  };
}
