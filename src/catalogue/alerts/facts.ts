/** Facts for checks and alerts. They are read often, so each comes from an index of few rows. */
import type { Database } from '../database/database.ts';

/** Counting stops here, so that it stays cheap. */
const MAX_COUNT = 100_000;

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

    /** Items that expired or died after `after`. */
    closedSince: async (status: 'expired' | 'dead', after: Date, accounts?: OnlyAccounts): Promise<Counted> =>
      counted(
        `SELECT updated_at FROM ${schema}.media
         WHERE status = '${status}' AND updated_at > $1 AND ${isIncluded(2)}`,
        [after, orNull(accounts)],
      ),

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
