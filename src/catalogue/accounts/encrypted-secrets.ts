/** Sealed secrets that cannot be asked for again; opaque here. */
import type { Database } from '../database/database.ts';

export function createKeptSecrets(database: Database, schema: string) {
  return {
    read: async (name: string): Promise<string | undefined> => {
      const [row] = await database.query<{ sealed: string }>(
        `SELECT sealed FROM ${schema}.kept_secret WHERE name = $1`,
        [name],
      );
      return row?.sealed;
    },
    /** What was written later stays: for secrets that may reach us late and out of order. */
    writeUnlessNewer: async (name: string, sealed: string, at: Date): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.kept_secret AS kept (name, sealed, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET sealed = $2, updated_at = $3 WHERE kept.updated_at <= $3`,
        [name, sealed, at],
      );
    },
    write: async (name: string, sealed: string, now: Date): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.kept_secret AS kept (name, sealed, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET sealed = $2, updated_at = $3`,
        [name, sealed, now],
      );
    },
  };
}
