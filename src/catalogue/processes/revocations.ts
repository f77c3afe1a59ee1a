/** Sessions that were ended and login links that were used, for every server process. */
import type { Database } from '../database/database.ts';

export function createRevocations(database: Database, schema: string) {
  const table = `${schema}.revoked_credential`;
  return {
    /** True for the first caller alone, whichever process it is in. Rows that expired before `now` are removed. */
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
