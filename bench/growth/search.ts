/** The list of media items on many rows: a page and the count of each filter, for all accounts and for a bound key. */
import pg from 'pg';
import { createCatalogue } from '../../src/catalogue/catalogue.ts';
import { createDatabase } from '../../src/catalogue/database/database.ts';
import { migrate } from '../../src/catalogue/database/migrate.ts';
import type { MediaFilter } from '../../src/catalogue/media/filter.ts';
import { createLifetimes } from '../../src/runtime/clock.ts';
import type { PartOptions } from '../part.ts';
import { type Bar, type Cell, median, type Table } from '../report.ts';
import { boundTo, questionsOf } from './search-questions.ts';
import { BIG_ACCOUNT, fillRows, SCHEMA } from './search-rows.ts';

const REPEATS = 7;
/** What is wanted of the slowest question, by the number of rows. */
const limitOf = (rows: number) => (rows > 1_000_000 ? 300 : 100);

export async function measureSearch(
  databaseUrl: string,
  options: PartOptions,
): Promise<{ tables: Table[]; bars: Bar[] }> {
  const rows = Number(options.set.rows ?? (options.quick ? 20_000 : 1_000_000));
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4, options: '-c jit=off' });
  try {
    const database = createDatabase(pool);
    await migrate(database, SCHEMA, new Date());
    const lifetimes = createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale: 1 });
    const { media } = createCatalogue(database, SCHEMA, lifetimes);
    options.print(`  ${rows} rows to search …`);
    await fillRows(pool, rows, options.print);

    /** Milliseconds of a page with its count. */
    async function timeOf(filter: MediaFilter): Promise<number> {
      const times: number[] = [];
      for (let index = -1; index < REPEATS; index++) {
        options.signal.throwIfAborted();
        const startedAt = performance.now();
        await media.list(filter, { sort: 'sentAt', limit: 50, withCount: true });
        if (index >= 0) times.push(performance.now() - startedAt);
      }
      return median(times);
    }
    const table: Cell[][] = [];
    for (const [name, filter] of Object.entries(await questionsOf(pool))) {
      table.push([name, await timeOf(filter), await timeOf(boundTo(BIG_ACCOUNT, filter))]);
    }
    return {
      tables: [
        {
          title: `A page of 50 and its count among ${rows} rows`,
          columns: ['filter', 'p50 ms', 'a key bound to one account: p50 ms'],
          rows: table,
        },
      ],
      bars: [
        {
          what: `${rows} rows: the slowest page with its count, p50 ms`,
          measured: Math.max(...table.flatMap((row) => row.slice(1).map(Number))),
          atMost: limitOf(rows),
        },
      ],
    };
  } finally {
    await pool.end();
  }
}
