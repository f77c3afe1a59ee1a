/** Facts for checks and alerts. They are read often, so each comes from an index of few rows. */
import type { Database } from '../database/database.ts';

/** Counting stops here, so that it stays cheap. */
const MAX_COUNT = 100_000;
/** Counting dead or expired items stops here: they stay until they are acknowledged, and may be millions. */
export const MAX_CLOSED_COUNT = 10_000;

export interface AtRisk {
  readonly count: number;
  /** The nearest of their deadlines. */
  readonly expiresAt: Date | undefined;
}

export interface Counted {
  readonly count: number;
  /** The time of the first of them. */
  readonly firstAt: Date | undefined;
}

/** Callbacks with a message: account → UTC day (`2026-01-31`) → count. */
export type CallbackDays = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Only these accounts; absent: all. */
type OnlyAccounts = readonly string[];
const isIncluded = (place: number) => `($${place}::text[] IS NULL OR account = ANY($${place}))`;
const orNull = (accounts?: OnlyAccounts) => (accounts ? [...accounts] : null);

/**
 * SQL that begins a statement: the CTE `bound` has each account with items of this status, and the time `after` which
 * they are to be counted: that of its acknowledgement, or a later one. `accounts` (NULL: all) and `after` are SQL.
 */
export const boundsOf = (
  schema: string,
  status: 'expired' | 'dead',
  { accounts, after }: { accounts: string; after: string },
): string => `
  WITH RECURSIVE found AS (
    -- Distinct accounts by jumps in an index: a plain DISTINCT would read all closed items.
    (SELECT account FROM ${schema}.media WHERE status = '${status}' AND ${accounts}::text[] IS NULL
     ORDER BY account LIMIT 1)
    UNION ALL
    SELECT (SELECT m.account FROM ${schema}.media m WHERE m.status = '${status}' AND m.account > found.account
            ORDER BY m.account LIMIT 1)
    FROM found WHERE found.account IS NOT NULL),
  bound AS (
    SELECT account, greatest(${after}, coalesce(a.until, '-infinity')) AS after
    FROM (SELECT account FROM found WHERE account IS NOT NULL UNION SELECT unnest(${accounts}::text[])) AS named
    LEFT JOIN (SELECT * FROM ${schema}.acknowledgement WHERE status = '${status}') AS a USING (account))`;

export function createAlertFacts(database: Database, schema: string) {
  async function counted(select: string, values: unknown[]): Promise<Counted> {
    const [row] = await database.query<{ n: string; first: Date | null }>(
      `SELECT count(*) AS n, min(updated_at) AS first
       FROM (${select} ORDER BY updated_at LIMIT ${MAX_COUNT}) AS counted`,
      values,
    );
    return { count: Number(row?.n ?? 0), firstAt: row?.first ?? undefined };
  }

  return {
    /** Pending items with a deadline before `before` that were inserted before `knownBefore`. */
    atRisk: async (before: Date, knownBefore: Date, accounts?: OnlyAccounts): Promise<AtRisk> => {
      const [row] = await database.query<{ n: string; nearest: Date | null }>(
        `SELECT count(*) AS n, min(expires_at) AS nearest FROM (
           SELECT expires_at FROM ${schema}.media
           WHERE status = 'pending' AND expires_at <= $1 AND created_at <= $2 AND ${isIncluded(3)}
           ORDER BY expires_at LIMIT ${MAX_COUNT}) AS near`,
        [before, knownBefore, orNull(accounts)],
      );
      return { count: Number(row?.n ?? 0), expiresAt: row?.nearest ?? undefined };
    },

    /**
     * Items that are dead or expired and not acknowledged, of those that became so after `after`. At most
     * {@link MAX_CLOSED_COUNT} are counted, however many there are; `firstAt` is exact.
     */
    unacknowledged: async (
      status: 'expired' | 'dead',
      { after, accounts }: { after?: Date | undefined; accounts?: OnlyAccounts | undefined } = {},
    ): Promise<Counted> => {
      const closed = `
        SELECT closed_at FROM ${schema}.media m
        WHERE m.status = '${status}' AND m.account = bound.account AND m.closed_at > bound.after
        ORDER BY closed_at LIMIT`;
      const [row] = await database.query<{ n: string; first: Date | null }>(
        `${boundsOf(schema, status, { accounts: '$1', after: `coalesce($2::timestamptz, '-infinity')` })}
         SELECT
           (SELECT count(*) FROM (
              SELECT FROM bound CROSS JOIN LATERAL (${closed} ${MAX_CLOSED_COUNT}) AS closed
              LIMIT ${MAX_CLOSED_COUNT}) AS counted) AS n,
           (SELECT min(closed_at) FROM bound CROSS JOIN LATERAL (${closed} 1) AS closed) AS first`,
        [orNull(accounts), after ?? null],
      );
      return { count: Number(row?.n ?? 0), firstAt: row?.first ?? undefined };
    },

    /** Pending items whose last attempt the store refused. */
    storeRefused: async (accounts?: OnlyAccounts): Promise<Counted> =>
      counted(
        `SELECT updated_at FROM ${schema}.media
         WHERE status = 'pending' AND failure_code = 'store_refused' AND ${isIncluded(1)}`,
        [orNull(accounts)],
      ),

    /** Of these accounts, from the given day on. */
    callbackDays: async (accounts: readonly string[], day: string): Promise<CallbackDays> => {
      const rows = await database.query<{ account: string; day: string; n: string }>(
        `SELECT account, day::text, sum(n) AS n FROM ${schema}.callback_count
         WHERE account = ANY($1::text[]) AND day >= $2::date AND NOT refused AND what <> 'handshake'
         GROUP BY account, day`,
        [[...accounts], day],
      );
      const days = new Map<string, Map<string, number>>();
      for (const { account, day, n } of rows) {
        const counts = days.get(account) ?? new Map<string, number>();
        days.set(account, counts.set(day, Number(n)));
      }
      return days;
    },
  };
}
