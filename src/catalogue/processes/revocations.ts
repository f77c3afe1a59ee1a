/** Ended sessions and used login links, for all server processes. */
import type { Database } from '../database/database.ts';

export function createRevocations(database: Database, schema: string) {
  const table = `${schema}.revoked_credential`;
  return {
    /** True only for the first caller of all processes. Deletes rows that expired before `now`. */
    add: async (digest: Buffer, expiresAt: Date, now: Date): Promise<boolean> => {
      const rows = await database.query(
        `WITH expired AS (DELETE FROM ${table} WHERE expires_at < $3 AND digest <> $1)
         INSERT INTO ${table} (digest, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true`,
        [digest, expiresAt, now],
      );
      return rows.length > 0;
    },
    has: async (digest: Buffer): Promise<boolean> => {
      const rows = await database.query(`SELECT FROM ${table} WHERE digest = $1`, [digest]);
      return rows.length > 0;
    },
  };
}
