/** Writes references as rows in Postgres, with the statement that the archiver itself uses. */
import { createAccountStates } from '../catalogue/accounts/accounts.ts';
import { createDatabase, DatabaseUnavailableError } from '../catalogue/database/database.ts';
import { createPostgresPool } from '../catalogue/database/postgres.ts';
import { createMediaInserts } from '../catalogue/media/insert.ts';
import type { Reference } from '../media.ts';
import { createLifetimes, systemClock } from '../runtime/clock.ts';
import { settledWithin } from '../runtime/timeout.ts';
import type { RowProducerOptions } from './options.ts';
import { ProducerError } from './producer-error.ts';
import type { ReferenceWriter } from './writer.ts';

const HOUR_MS = 3_600_000;
const CONNECTIONS = 4;
const CLOSE_MS = 2_000;

export function openRowWriter(options: RowProducerOptions): ReferenceWriter {
  const { schema = 'wma', mediaLifetimeMs = 72 * HOUR_MS } = options;
  const pool = createPostgresPool({
    url: options.databaseUrl,
    searchPath: schema,
    maxConnections: CONNECTIONS,
    // If an idle connection breaks, the next call replaces it, and rejects if that fails.
    log: { warn: () => {} },
  });
  const database = createDatabase(pool);
  const accounts = createAccountStates(database, schema);
  const { insert } = createMediaInserts(database, schema, createLifetimes({ mediaLifetimeMs, timeScale: 1 }));
  let known = new Set<string>();

  /** Throws if an account is not configured in any archiver, because its rows would wait until they expire. */
  async function requireKnown(ids: readonly string[]): Promise<void> {
    if (ids.every((account) => known.has(account))) return;
    known = new Set((await accounts.list()).map(({ account }) => account));
    const unknown = ids.find((account) => !known.has(account));
    if (unknown !== undefined) {
      throw new ProducerError(
        'unknown_account',
        `no archiver of this database has the account ${unknown}; use the appId (WeCom: corpId-agentId)`,
      );
    }
  }

  return {
    write: async (references: readonly Reference[]) => {
      try {
        await requireKnown(references.map(({ account }) => account));
        return (await insert(references, systemClock.now(), true)).map(({ status }) => status);
      } catch (error) {
        throw toProducerError(error, schema);
      }
    },
    close: async () => {
      await settledWithin(pool.end(), CLOSE_MS);
    },
  };
}

/** Returns a ProducerError for an error that a retry cannot fix, according to its SQLSTATE; other errors unchanged. */
function toProducerError(error: unknown, schema: string): unknown {
  const cause =
    error instanceof DatabaseUnavailableError && error.refusal !== undefined ? error.cause : error;
  const code = String((cause as { code?: unknown }).code);
  const refusals: [RegExp, string][] = [
    [
      /^(42P01|42883|3F000)$/,
      `the schema ${schema} does not exist or is too old: start the archiver on it first`,
    ],
    [/^42501$/, `the role of databaseUrl may not write to the schema ${schema}`],
    [/^28/, 'Postgres refuses the user or the password of databaseUrl'],
    [/^3D000$/, 'the database of databaseUrl does not exist'],
  ];
  const refusal = refusals.find(([pattern]) => pattern.test(code));
  if (refusal) return new ProducerError('misconfigured', refusal[1], error);
  return error === cause ? error : new ProducerError('misconfigured', (cause as Error).message, error);
}
