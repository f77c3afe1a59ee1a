/** How much work a further worker could begin now. */
import type { Database } from '../database/database.ts';
import { storeIsHeld } from './store-hold.ts';

/** The work of an account: `due` is what waits only for a worker, `running` what workers have in hand. */
export interface DueCount {
  readonly account: string;
  readonly due: number;
  readonly running: number;
}

/** More than the workers of any account take at once. */
const DUE_LIMIT = 1_000;

export function createDueCounts(database: Database, schema: string) {
  return {
    /**
     * Counts, for each of these accounts, the items that are due or have a job that waits in the queue. Items in a backoff
     * and items of held accounts do not count, and none counts while the store is held. After a hold has lapsed one item
     * of the account is its probe, so one counts. Of an account at most {@link DUE_LIMIT} due items are counted, so that a
     * large backlog costs no more than a small one; claimed items are limited by QUEUE_WINDOW.
     */
    dueCounts: async (accounts: readonly string[], now: Date): Promise<DueCount[]> => {
      const rows = await database.query<{ account: string; due: string; running: string; is_probe: boolean }>(
        `SELECT named.account, coalesce(a.held_until <= $2, false) AS is_probe, claimed.running,
                CASE WHEN a.held_until > $2 OR ${storeIsHeld(schema)} THEN 0 ELSE due.n + claimed.waiting END AS due
         FROM unnest($1::text[]) AS named (account)
         LEFT JOIN ${schema}.account a ON a.account = named.account
         CROSS JOIN LATERAL (
           SELECT count(*) AS n FROM (
             SELECT FROM ${schema}.media m WHERE m.account = named.account AND m.stage = 1 LIMIT ${DUE_LIMIT}) AS first
         ) AS due
         CROSS JOIN LATERAL (
           SELECT count(*) FILTER (WHERE m.running_since IS NOT NULL) AS running,
                  count(*) FILTER (WHERE m.running_since IS NULL AND m.next_attempt_at IS NULL) AS waiting
           FROM ${schema}.media m WHERE m.account = named.account AND m.stage = 2
         ) AS claimed`,
        [[...accounts], now],
      );
      return rows.map(({ account, due, running, is_probe }) => ({
        account,
        due: is_probe ? Math.min(1, Number(due)) : Number(due),
        running: Number(running),
      }));
    },
  };
}
