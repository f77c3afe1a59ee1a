/** How much work a further worker could begin now. */
import type { Database } from '../database/database.ts';
import { storeIsHeld } from './store-hold.ts';

/** The work of an account: `due` is what waits only for a worker, `running` what workers have in hand. */
export interface DueCount {
  readonly account: string;
  readonly due: number;
  readonly running: number;
}

export function createDueCounts(database: Database, schema: string) {
  return {
    /**
     * Counts, by account, the items that are due or have a job that waits in the queue. Items in a backoff and items of
     * held accounts do not count, and none counts while the store is held. After a hold has lapsed one item of the
     * account is its probe, so one counts. Accounts without work are left out. Reads the indexes of due and claimed rows.
     */
    dueCounts: async (now: Date): Promise<DueCount[]> => {
      const rows = await database.query<{ account: string; due: string; running: string; is_probe: boolean }>(
        `SELECT m.account, coalesce(a.held_until <= $1, false) AS is_probe,
                count(*) FILTER (WHERE m.running_since IS NOT NULL) AS running,
                count(*) FILTER (WHERE m.running_since IS NULL AND (m.stage = 1 OR m.next_attempt_at IS NULL)
                  AND (a.held_until IS NULL OR a.held_until <= $1) AND NOT ${storeIsHeld(schema)}) AS due
         FROM ${schema}.media m LEFT JOIN ${schema}.account a ON a.account = m.account
         WHERE m.stage IN (1, 2) GROUP BY 1, 2`,
        [now],
      );
      return rows.map(({ account, due, running, is_probe }) => ({
        account,
        due: is_probe ? Math.min(1, Number(due)) : Number(due),
        running: Number(running),
      }));
    },
  };
}
