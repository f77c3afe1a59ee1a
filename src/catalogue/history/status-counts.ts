/**
 * Recounts the counts by status. Triggers keep them right; after a table was restored, or rows were deleted by hand,
 * they stay wrong until a recount.
 */
import type { Database } from '../database/database.ts';

export interface Recount {
  /** By how many items the counts were wrong. */
  readonly corrected: number;
  /** Accounts whose counts were wrong. */
  readonly accounts: readonly string[];
}

export function createStatusCounts(database: Database, schema: string) {
  // Distinct accounts by jumps in an index: a plain DISTINCT would read the table.
  const accounts = `
    WITH RECURSIVE found AS (
      (SELECT account FROM ${schema}.media ORDER BY account LIMIT 1)
      UNION ALL
      SELECT (SELECT m.account FROM ${schema}.media m WHERE m.account > found.account ORDER BY m.account LIMIT 1)
      FROM found WHERE found.account IS NOT NULL
    )
    SELECT account FROM found WHERE account IS NOT NULL
    UNION SELECT account FROM ${schema}.media_count`;

  // One statement reads one snapshot: rows and counts written meanwhile are in neither, and only the difference is
  // added. So it locks only the counts that were wrong, for a moment.
  const recount = `
    WITH truth AS (
      SELECT status, ${schema}.count_code(status, failure_code) AS failure_code,
             ${schema}.count_errcode(status, errcode) AS errcode, count(*) AS n
      FROM ${schema}.media WHERE account = $1 GROUP BY 1, 2, 3
    ), counted AS (
      SELECT status, failure_code, errcode, sum(n) AS n
      FROM ${schema}.media_count WHERE account = $1 GROUP BY 1, 2, 3
    ), difference AS (
      SELECT status, failure_code, errcode, (coalesce(truth.n, 0) - coalesce(counted.n, 0))::bigint AS n
      FROM truth FULL JOIN counted USING (status, failure_code, errcode)
    ), corrected AS (
      INSERT INTO ${schema}.media_count AS t (account, status, failure_code, errcode, shard, n)
      SELECT $1, status, failure_code, errcode, 0, n FROM difference WHERE n <> 0 ORDER BY 2, 3, 4
      ON CONFLICT (account, status, failure_code, errcode, shard) DO UPDATE SET n = t.n + excluded.n
    )
    SELECT coalesce(sum(abs(n)), 0) AS n FROM difference`;

  return {
    /** Corrects the counts by status. Reads every row once, one account at a time; locks no row. */
    recount: async (signal: AbortSignal): Promise<Recount> => {
      const found: string[] = [];
      let corrected = 0;
      for (const { account } of await database.query<{ account: string }>(accounts)) {
        signal.throwIfAborted();
        const [row] = await database.query<{ n: string }>(recount, [account]);
        const n = Number(row?.n ?? 0);
        if (n > 0) found.push(account);
        corrected += n;
      }
      return { corrected, accounts: found };
    },
  };
}
