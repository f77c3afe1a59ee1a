/** The catalogue's database at the start: there, waited for, or expected while the program works without it. */
import { setTimeout as wait } from 'node:timers/promises';
import { type Database, DatabaseAwayError } from '../catalogue/database/database.ts';
import type { Log } from '../runtime/log.ts';
import { tlsFailureOf } from '../tls-failures.ts';
import { startFailureOf } from './run.ts';

/**
 * What a program does that finds no database: `none` fails, `wait` opens when it comes, `later` opens at once and
 * takes what it can without it.
 */
export type WhenAway = 'none' | 'wait' | 'later';

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4_000;
const SAY_EVERY_MS = 30_000;

/** Away, and not for a reason that only a change of the configuration removes. */
const isCurable = (error: unknown) => error instanceof DatabaseAwayError && error.refusal === undefined;

export interface OpenedDatabase {
  /** Answers as a database that is away until it is ready; then it is the database. */
  readonly database: Database;
  /** True: not ready yet, and expected. */
  readonly isAway: boolean;
}

/**
 * `prepare` makes the database ready, and is repeated until it has. What it throws that no waiting cures comes out
 * of here; where the program works already it is said, and tried again.
 */
export async function openDatabase(
  database: Database,
  options: {
    patience: WhenAway;
    prepare: (database: Database) => Promise<void>;
    log: Pick<Log, 'info' | 'warn' | 'error'>;
    signal: AbortSignal;
  },
): Promise<OpenedDatabase> {
  const { patience, prepare, log, signal } = options;
  const ready = Promise.withResolvers<void>();
  let isReady = false;
  let saidAtMs = Number.NEGATIVE_INFINITY;

  function say(error: unknown): void {
    if (performance.now() - saidAtMs < SAY_EVERY_MS) return;
    saidAtMs = performance.now();
    if (isCurable(error) && !tlsFailureOf(error))
      log.warn(
        { err: (error as Error).cause ?? error },
        'the database of DATABASE_URL does not answer; it is tried again',
      );
    else log.error(startFailureOf('database', error).text);
  }

  /** Until it is ready. Throws what is not `curable`. */
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
    await (patience === 'wait' ? keepPreparing(isCurable) : prepare(database));
    return { database, isAway: false };
  } catch (error) {
    if (patience !== 'later' || !isCurable(error)) throw error;
    say(error);
  }

  keepPreparing(() => true).then(
    () => {
      isReady = true;
      ready.resolve();
      log.info('the database of DATABASE_URL is there');
    },
    () => undefined, // closing
  );
  /** Its tables may be missing or those of an older release: nobody speaks to it before it is ready. */
  const verb =
    <Given extends unknown[], Answer>(speak: (...given: Given) => Promise<Answer>) =>
    async (...given: Given): Promise<Answer> => {
      if (!isReady) throw new DatabaseAwayError('the catalogue database has not been there since the start');
      return await speak(...given);
    };
  return {
    isAway: true,
    database: {
      query: verb(database.query) as Database['query'],
      transaction: verb(database.transaction) as Database['transaction'],
      listen: async (...given) => {
        await ready.promise;
        await database.listen(...given);
      },
    },
  };
}
