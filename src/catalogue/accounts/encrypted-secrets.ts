/** Secrets that cannot be requested again. They are encrypted by their owner in wechat/. */
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
    /** Keeps a value with a later time: secrets may arrive late and out of order. */
    writeUnlessNewer: async (name: string, ciphertext: string, at: Date): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.encrypted_secret AS old (name, ciphertext, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET ciphertext = $2, updated_at = $3 WHERE old.updated_at <= $3`,
        [name, ciphertext, at],
      );
    },
    write: async (name: string, ciphertext: string, now: Date): Promise<void> => {
      await database.query(
        `INSERT INTO ${schema}.encrypted_secret AS old (name, ciphertext, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET ciphertext = $2, updated_at = $3`,
        [name, ciphertext, now],
      );
    },
  };
}
