/** Sealed secrets that cannot be asked for again; opaque here. */
import type { Database } from '../database/database.ts';

export function createEncryptedSecrets(database: Database, schema: string) {
  return {
    read: async (name: string): Promise<string | undefined> => {
      const [row] = await database.query<{ ciphertext: string }>(
        `SELECT ciphertext FROM ${schema}.encrypted_secret WHERE name = $1`,
        [name],
      );
      return row?.ciphertext;
    },
    /** What was written later stays: for secrets that may reach us late and out of order. */
    writeUnlessNewer: async (name: string, ciphertext: string, at: Date): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.encrypted_secret AS kept (name, ciphertext, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET ciphertext = $2, updated_at = $3 WHERE kept.updated_at <= $3`,
        [name, ciphertext, at],
      );
    },
    write: async (name: string, ciphertext: string, now: Date): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.encrypted_secret AS kept (name, ciphertext, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET ciphertext = $2, updated_at = $3`,
        [name, ciphertext, now],
      );
    },
  };
}
