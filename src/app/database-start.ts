/** The catalogue's database at the start of a program: opened, waited for, or opened later in the background. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Database, DatabaseUnavailableError } from '../catalogue/database/database.ts';
import type { Log } from '../runtime/log.ts';
import { tlsFailureOf } from '../tls-failures.ts';
import { startFailureOf } from './run.ts';

/**
 * What a program does when the database does not respond at its start: `fail` ends it, `wait` opens once the database
 * responds, `later` opens at once and works with the spool until then.
 */
export type WhenAway = 'fail' | 'wait' | 'later';

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4_000;
const SAY_EVERY_MS = 30_000;

/** Whether waiting can help: the database is away for a reason that no change of the configuration removes. */
const isCurable = (error: unknown) =>
  error instanceof DatabaseUnavailableError && error.refusal === undefined;

export interface OpenedDatabase {
  /** Throws {@link DatabaseUnavailableError} until the database is ready, then works as the database. */
  readonly database: Database;
  /** True while it is not ready yet. */
  readonly isAway: boolean;
}

/**
 * Calls `prepare` until it succeeds. Throws what it throws where waiting cannot help. With `later` the program works
 * already: such errors are then logged, and `prepare` is called again.
 */
export async function openDatabase(
  database: Database,
  options: {
    whenAway: WhenAway;
    prepare: (database: Database) => Promise<void>;
    log: Pick<Log, 'info' | 'warn' | 'error'>;
    signal: AbortSignal;
  },
): Promise<OpenedDatabase> {
  const { whenAway, prepare, log, signal } = options;
  const ready = Promise.withResolvers<void>();
  let isReady = false;
  let saidAtMs = Number.NEGATIVE_INFINITY;

  function say(error: unknown): void {
    if (performance.now() - saidAtMs < SAY_EVERY_MS) return;
    saidAtMs = performance.now();
    if (isCurable(error) && !tlsFailureOf(error))
      log.warn({ err: (error as Error).cause ?? error }, 'database: no response from DATABASE_URL, retrying');
    else log.error(startFailureOf('database', error).text);
  }

  /** Resolves once the database is ready. Throws an error for which `isTriedAgain` returns false. */
  async function keepPreparing(isTriedAgain: (error: unknown) => boolean): Promise<void> {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      try {
        return await prepare(database);
      } catch (error) {
        if (signal.aborted || !isTriedAgain(error)) throw error;
        say(error);
      }
      await wait(waitMs, undefined, { signal });
    }
  }

  try {
    await (whenAway === 'wait' ? keepPreparing(isCurable) : prepare(database));
    return { database, isAway: false };
  } catch (error) {
    if (whenAway !== 'later' || !isCurable(error)) throw error;
    say(error);
  }

  keepPreparing(() => true).then(
    () => {
      isReady = true;
      ready.resolve();
      log.info('database: available');
    },
    () => undefined, // closing
  );
  /** Before it is ready its tables may be missing or those of an older release: no statement gets through. */
  const verb =
    <Args extends unknown[], Answer>(speak: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      if (!isReady)
        throw new DatabaseUnavailableError('the catalogue database has not responded since the start');
      return await speak(...args);
    };
  return {
    isAway: true,
    database: {
      query: verb(database.query) as Database['query'],
      transaction: verb(database.transaction) as Database['transaction'],
      listen: async (...args) => {
        await ready.promise;
        await database.listen(...args);
      },
    },
  };
}
