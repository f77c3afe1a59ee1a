/** What alerts want to know, asked often: each answer comes from an index of few rows. */
import type { Database } from './database.ts';

/** A number that is more than this is this: what is said is "very many", and counting stays cheap. */
const COUNTED = 100_000;

export interface AtRisk {
  readonly count: number;
  /** The nearest of their deadlines. */
  readonly expiresAt: Date | undefined;
}

/** Callbacks with a message, by UTC day (`2026-01-31`), of an account. */
export type CallbackDays = ReadonlyMap<string, ReadonlyMap<string, number>>;

export function createTroubleFacts(database: Database, schema: string) {
  return {
    /** Pending media whose deadline is before `before`, known since before `knownBefore`. */
    atRisk: async (before: Date, knownBefore: Date): Promise<AtRisk> => {
      const [row] = await database.query<{ n: string; nearest: Date | null }>(
        `SELECT count(*) AS n, min(expires_at) AS nearest FROM (
           SELECT expires_at FROM ${schema}.media
           WHERE status = 'pending' AND expires_at <= $1 AND created_at <= $2
           ORDER BY expires_at LIMIT ${COUNTED}) AS near`,
        [before, knownBefore],
      );
      return { count: Number(row?.n ?? 0), expiresAt: row?.nearest ?? undefined };
    },

    /** Media that expired after `after`, and when the first of them did. */
    expiredSince: async (after: Date): Promise<{ count: number; firstAt: Date | undefined }> => {
      const [row] = await database.query<{ n: string; first: Date | null }>(
        `SELECT count(*) AS n, min(updated_at) AS first FROM (
           SELECT updated_at FROM ${schema}.media WHERE status = 'expired' AND updated_at > $1
           ORDER BY updated_at LIMIT ${COUNTED}) AS late`,
        [after],
      );
      return { count: Number(row?.n ?? 0), firstAt: row?.first ?? undefined };
    },

    /** Pending media that the store refused when they were last tried. */
    storeRefused: async (): Promise<{ count: number; firstAt: Date | undefined }> => {
      const [row] = await database.query<{ n: string; first: Date | null }>(
        `SELECT count(*) AS n, min(updated_at) AS first FROM (
           SELECT updated_at FROM ${schema}.media WHERE status = 'pending' AND failure_code = 'store_refused'
           ORDER BY updated_at LIMIT ${COUNTED}) AS refused`,
      );
      return { count: Number(row?.n ?? 0), firstAt: row?.first ?? undefined };
    },

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
