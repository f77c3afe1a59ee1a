/** Named leases: columns and never session locks, so that the lease of a killed holder lapses. */
import type { Database } from '../database/database.ts';

export function createLeases(database: Database, schema: string) {
  return {
    /** Takes or renews a lease; false while another holder has it. */
    take: async (name: string, holder: string, now: Date, until: Date): Promise<boolean> => {
      const rows = await database.query(
        `INSERT INTO ${schema}.lease AS l (name, holder, until) VALUES ($1, $2, $4)
         ON CONFLICT (name) DO UPDATE SET holder = $2, until = $4 WHERE l.holder = $2 OR l.until <= $3
         RETURNING name`,
        [name, holder, now, until],
      );
      return rows.length > 0;
    },

    /** Ends the lease, if `holder` has it. */
    drop: async (name: string, holder: string): Promise<void> => {
      await database.query(`DELETE FROM ${schema}.lease WHERE name = $1 AND holder = $2`, [name, holder]);
    },
  };
}
