/** What alerts want to know, asked often: each answer comes from an index of few rows. */
import type { Database } from '../database/database.ts';

/** A number that is more than this is this: what is said is "very many", and counting stays cheap. */
const COUNTED = 100_000;

export interface AtRisk {
  readonly count: number;
  /** The nearest of their deadlines. */
  readonly expiresAt: Date | undefined;
}

export interface Counted {
  readonly count: number;
  /** When the first of them came to be so. */
  readonly firstAt: Date | undefined;
}

/** Callbacks with a message, by UTC day (`2026-01-31`), of an account. */
export type CallbackDays = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Only of these accounts; absent: of all. */
type Mine = readonly string[];
const OF_MINE = (place: number) => `($${place}::text[] IS NULL OR account = ANY($${place}))`;
const mine = (accounts?: Mine) => (accounts ? [...accounts] : null);

export function createAlertFacts(database: Database, schema: string) {
  async function counted(select: string, values: unknown[]): Promise<Counted> {
    const [row] = await database.query<{ n: string; first: Date | null }>(
      `SELECT count(*) AS n, min(updated_at) AS first
       FROM (${select} ORDER BY updated_at LIMIT ${COUNTED}) AS counted`,
      values,
    );
    return { count: Number(row?.n ?? 0), firstAt: row?.first ?? undefined };
  }

  return {
    /** Pending media whose deadline is before `before`, known since before `knownBefore`. */
    atRisk: async (before: Date, knownBefore: Date, accounts?: Mine): Promise<AtRisk> => {
      const [row] = await database.query<{ n: string; nearest: Date | null }>(
        `SELECT count(*) AS n, min(expires_at) AS nearest FROM (
           SELECT expires_at FROM ${schema}.media
           WHERE status = 'pending' AND expires_at <= $1 AND created_at <= $2 AND ${OF_MINE(3)}
           ORDER BY expires_at LIMIT ${COUNTED}) AS near`,
        [before, knownBefore, mine(accounts)],
      );
      return { count: Number(row?.n ?? 0), expiresAt: row?.nearest ?? undefined };
    },

    /** Media that expired or died after `after`. */
    closedSince: async (status: 'expired' | 'dead', after: Date, accounts?: Mine): Promise<Counted> =>
      counted(
        `SELECT updated_at FROM ${schema}.media
         WHERE status = '${status}' AND updated_at > $1 AND ${OF_MINE(2)}`,
        [after, mine(accounts)],
      ),

    /** Pending media that the store refused when they were last tried. */
    storeRefused: async (accounts?: Mine): Promise<Counted> =>
      counted(
        `SELECT updated_at FROM ${schema}.media
         WHERE status = 'pending' AND failure_code = 'store_refused' AND ${OF_MINE(1)}`,
        [mine(accounts)],
      ),

    /** Of these accounts, from the day given on. */
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
