/** Counts of callbacks by account, day and type, and of refused ones by reason. */
import type { Database } from '../database/database.ts';

export interface CallbackCount {
  readonly account: string;
  /** UTC, `2026-01-31`. */
  readonly day: string;
  readonly refused: boolean;
  /** The type of the message, or why it was refused. */
  readonly what: string;
  readonly count: number;
}

/** When an account's last callback came, and what it showed of the clocks. */
export interface CallbackTimes {
  readonly account: string;
  /** The last callback that was not refused. */
  readonly lastCallbackAt?: Date;
  /** From the last callback with a valid signature; positive: our clock is ahead of WeChat's. */
  readonly clockSkew?: { readonly seconds: number; readonly at: Date };
}

export function createCallbackCounts(database: Database, schema: string) {
  return {
    /** Adds the counts and updates the times in one transaction. Deletes days before `keepFrom`. */
    add: (
      counts: readonly CallbackCount[],
      times: readonly CallbackTimes[],
      keepFrom: string,
    ): Promise<void> =>
      database.transaction(async (transaction) => {
        await transaction.query(
          `INSERT INTO ${schema}.callback_count AS c (account, day, refused, what, n)
           SELECT * FROM unnest($1::text[], $2::date[], $3::boolean[], $4::text[], $5::bigint[])
             AS given (account, day, refused, what, n) ORDER BY 1, 2, 3, 4
           ON CONFLICT (account, day, refused, what) DO UPDATE SET n = c.n + excluded.n`,
          [
            counts.map((one) => one.account),
            counts.map((one) => one.day),
            counts.map((one) => one.refused),
            counts.map((one) => one.what),
            counts.map((one) => one.count),
          ],
        );
        await transaction.query(
          `WITH given AS (
             SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::integer[], $4::timestamptz[])
               AS given (account, called_at, skew, skew_at)
           ), locked AS (
             SELECT a.account FROM ${schema}.account a JOIN given USING (account) ORDER BY 1 FOR UPDATE OF a)
           UPDATE ${schema}.account a
           SET last_callback_at = greatest(a.last_callback_at, given.called_at),
               clock_skew_seconds = coalesce(given.skew, a.clock_skew_seconds),
               clock_skew_at = coalesce(given.skew_at, a.clock_skew_at)
           FROM given JOIN locked USING (account) WHERE a.account = given.account`,
          [
            times.map((one) => one.account),
            times.map((one) => one.lastCallbackAt?.toISOString() ?? null),
            times.map((one) => one.clockSkew?.seconds ?? null),
            times.map((one) => one.clockSkew?.at.toISOString() ?? null),
          ],
        );
        await transaction.query(`DELETE FROM ${schema}.callback_count WHERE day < $1::date`, [keepFrom]);
      }),

    /** The counts of this day and later ones. */
    listSince: async (day: string): Promise<CallbackCount[]> => {
      const rows = await database.query<Omit<CallbackCount, 'count'> & { n: string }>(
        `SELECT account, to_char(day, 'YYYY-MM-DD') AS day, refused, what, n FROM ${schema}.callback_count WHERE day >= $1::date
         ORDER BY account, day, what`,
        [day],
      );
      return rows.map(({ n, ...row }) => ({ ...row, count: Number(n) }));
    },
  };
}
