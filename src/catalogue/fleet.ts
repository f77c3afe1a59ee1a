/** The workers that live: a row each, renewed every few seconds; one that stopped renewing has died. */
import type { Database } from './database.ts';

/** How many workers live, and which place among them, by id, is this one's. */
export interface FleetPlace {
  readonly live: number;
  readonly rank: number;
}

export function createFleetRows(database: Database, schema: string) {
  return {
    /** Says that `id` lives, forgets who was not seen since `deadBefore`, and answers the place among the rest. */
    beat: async (id: string, now: Date, deadBefore: Date): Promise<FleetPlace> => {
      const [row] = await database.query<{ others: string; before: string }>(
        `WITH gone AS (DELETE FROM ${schema}.worker WHERE seen_at < $3 AND id <> $1),
         mine AS (
           INSERT INTO ${schema}.worker (id, seen_at) VALUES ($1, $2)
           ON CONFLICT (id) DO UPDATE SET seen_at = $2)
         SELECT count(*) AS others, count(*) FILTER (WHERE id < $1) AS before
         FROM ${schema}.worker WHERE id <> $1 AND seen_at >= $3`,
        [id, now, deadBefore],
      );
      return { live: Number(row?.others ?? 0) + 1, rank: Number(row?.before ?? 0) };
    },

    leave: async (id: string): Promise<void> => {
      await database.query(`DELETE FROM ${schema}.worker WHERE id = $1`, [id]);
    },
  };
}
