/** What somebody is to be told about: a row for each trouble, claimed by the one process that says it. */
import { storableJson } from '../../storable.ts';
import type { Database } from '../database/database.ts';

/** A trouble as it is found. `target`: an account, a process, or empty for all of it. */
export interface AlertCondition {
  readonly kind: string;
  readonly target: string;
  readonly since: Date;
  readonly count: number;
  /** What its sentence is made of; no secret. */
  readonly detail: Readonly<Record<string, string | number>>;
}

export interface Alert extends AlertCondition {
  readonly id: string;
  readonly lastSentAt?: Date;
  readonly endedAt?: Date;
}

interface IncidentRecord {
  id: string;
  kind: string;
  target: string;
  since: Date;
  count: string;
  detail: Record<string, string | number>;
  last_sent_at: Date | null;
  ended_at: Date | null;
}

const toIncident = (row: IncidentRecord): Alert => ({
  id: row.id,
  kind: row.kind,
  target: row.target,
  since: row.since,
  count: Number(row.count),
  detail: row.detail,
  ...(row.last_sent_at ? { lastSentAt: row.last_sent_at } : {}),
  ...(row.ended_at ? { endedAt: row.ended_at } : {}),
});

export function createAlerts(database: Database, schema: string) {
  return {
    /** Opens what is not open and renews the rest. `saidAt`: a process has said it by itself already. */
    report: async (
      troubles: readonly (AlertCondition & { saidAt?: Date | undefined })[],
      now: Date,
    ): Promise<Alert[]> => {
      if (troubles.length === 0) return [];
      const rows = await database.query<IncidentRecord>(
        `INSERT INTO ${schema}.alert AS i (kind, target, since, seen_at, count, detail, last_sent_at)
         SELECT kind, target, since, $1, count, detail, said
         FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::jsonb[], $7::timestamptz[])
           AS given (kind, target, since, count, detail, said) ORDER BY kind, target
         ON CONFLICT (kind, target) WHERE ended_at IS NULL DO UPDATE SET
           seen_at = greatest(i.seen_at, $1), count = excluded.count, detail = excluded.detail,
           last_sent_at = greatest(i.last_sent_at, excluded.last_sent_at)
         RETURNING *`,
        [
          now,
          troubles.map(({ kind }) => kind),
          troubles.map(({ target }) => target),
          troubles.map(({ since }) => since.toISOString()),
          troubles.map(({ count }) => count),
          troubles.map(({ detail }) => storableJson(detail)),
          troubles.map(({ saidAt }) => saidAt?.toISOString() ?? null),
        ],
      );
      return rows.map(toIncident);
    },

    /** Those of `kinds` that nobody has found to be so since `before` are over. */
    endUnseen: async (kinds: readonly string[], before: Date, now: Date): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.alert SET ended_at = $3
         WHERE ended_at IS NULL AND kind = ANY($1::text[]) AND seen_at < $2`,
        [[...kinds], before, now],
      );
    },

    /**
     * What is to be said now, oldest first: new, last said before `repeatBefore`, or ended. Nobody else is given it
     * until `until`; a holder that dies without {@link said} leaves it to the next.
     */
    claim: async (
      holder: string,
      times: { now: Date; until: Date; repeatBefore: Date },
      limit: number,
    ): Promise<Alert[]> => {
      const rows = await database.query<IncidentRecord>(
        `UPDATE ${schema}.alert SET claimed_by = $1, claimed_until = $3
         WHERE id IN (
           SELECT id FROM ${schema}.alert
           WHERE end_sent_at IS NULL AND (claimed_until IS NULL OR claimed_until <= $2)
             AND (ended_at IS NOT NULL OR last_sent_at IS NULL OR last_sent_at <= $4)
           ORDER BY since LIMIT $5 FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [holder, times.now, times.until, times.repeatBefore, limit],
      );
      return rows.map(toIncident).sort((a, b) => a.since.getTime() - b.since.getTime());
    },

    /** They were said as claimed: an incident that has ended since is said once more, as ended. */
    markSent: async (holder: string, incidents: readonly Alert[], now: Date): Promise<void> => {
      const ids = (ended: boolean) =>
        incidents.filter(({ endedAt }) => (endedAt !== undefined) === ended).map(({ id }) => id);
      await database.query(
        `UPDATE ${schema}.alert SET
           last_sent_at = $4, claimed_by = NULL, claimed_until = NULL,
           end_sent_at = CASE WHEN id = ANY($3::bigint[]) THEN $4::timestamptz END
         WHERE claimed_by = $1 AND (id = ANY($2::bigint[]) OR id = ANY($3::bigint[]))`,
        [holder, ids(false), ids(true), now],
      );
    },

    /** They could not be said. */
    release: async (holder: string): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.alert SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = $1`,
        [holder],
      );
    },

    deleteEnded: async (endedBefore: Date): Promise<void> => {
      await database.query(`DELETE FROM ${schema}.alert WHERE end_sent_at < $1`, [endedBefore]);
    },
  };
}
