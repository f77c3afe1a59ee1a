/** Writes `media.at_risk`: once for each item and deadline. */
import type { Database } from '../database/database.ts';

const BATCH = 500;

export function createAtRiskEvents(database: Database, schema: string) {
  return {
    /**
     * Writes the event of pending items whose deadline is between `now` and `near`, and that are known since `knownBefore`.
     * Resolves with how many; at most {@link BATCH} at once.
     */
    markAtRisk: async ({
      now,
      near,
      knownBefore,
    }: Record<'now' | 'near' | 'knownBefore', Date>): Promise<number> => {
      const rows = await database.query(
        `WITH found AS (
           SELECT id FROM ${schema}.media
           WHERE status = 'pending' AND expires_at > $1 AND expires_at <= $2 AND created_at <= $3
             AND at_risk_for IS DISTINCT FROM expires_at
           ORDER BY expires_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
         ), marked AS (
           UPDATE ${schema}.media m SET at_risk_for = m.expires_at FROM found WHERE m.id = found.id
           RETURNING m.id, m.account)
         INSERT INTO ${schema}.event_outbox (type, at, account, media)
         SELECT 'media.at_risk', least($1, clock_timestamp()), account, id FROM marked
         RETURNING seq`,
        [now, near, knownBefore],
      );
      return rows.length;
    },
  };
}
