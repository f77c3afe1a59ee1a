/** Alerts: a row for each, claimed by the one process that sends it. */
import { storableJson } from '../../storable.ts';
import type { Database } from '../database/database.ts';

/** A condition as a check finds it. `target`: an account, a process, or empty for the whole service. */
export interface AlertCondition {
  readonly kind: string;
  readonly target: string;
  readonly since: Date;
  readonly count: number;
  /** The values in its text; no secret. */
  readonly detail: Readonly<Record<string, string | number>>;
}

export interface Alert extends AlertCondition {
  readonly id: string;
  readonly lastSentAt?: Date;
  readonly endedAt?: Date;
}

interface AlertRecord {
  id: string;
  kind: string;
  target: string;
  since: Date;
  count: string;
  detail: Record<string, string | number>;
  last_sent_at: Date | null;
  ended_at: Date | null;
}

const toAlert = (row: AlertRecord): Alert => ({
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
    /** Opens new alerts and renews open ones. `sentAt`: a process has already sent the alert. */
    report: async (
      conditions: readonly (AlertCondition & { sentAt?: Date | undefined })[],
      now: Date,
    ): Promise<Alert[]> => {
      if (conditions.length === 0) return [];
      const rows = await database.query<AlertRecord>(
        `INSERT INTO ${schema}.alert AS a (kind, target, since, seen_at, count, detail, last_sent_at)
         SELECT kind, target, since, $1, count, detail, sent_at
         FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::jsonb[], $7::timestamptz[])
           AS given (kind, target, since, count, detail, sent_at) ORDER BY kind, target
         ON CONFLICT (kind, target) WHERE ended_at IS NULL DO UPDATE SET
           seen_at = greatest(a.seen_at, $1), count = excluded.count, detail = excluded.detail,
           last_sent_at = greatest(a.last_sent_at, excluded.last_sent_at)
         RETURNING *`,
        [
          now,
          conditions.map(({ kind }) => kind),
          conditions.map(({ target }) => target),
          conditions.map(({ since }) => since.toISOString()),
          conditions.map(({ count }) => count),
          conditions.map(({ detail }) => storableJson(detail)),
          conditions.map(({ sentAt: saidAt }) => saidAt?.toISOString() ?? null),
        ],
      );
      return rows.map(toAlert);
    },

    /** Ends the alerts of `kinds` whose condition no process has found since `before`. */
    endUnseen: async (kinds: readonly string[], before: Date, now: Date): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.alert SET ended_at = $3
         WHERE ended_at IS NULL AND kind = ANY($1::text[]) AND seen_at < $2`,
        [[...kinds], before, now],
      );
    },

    /**
     * Claims the alerts to be sent now, oldest first: new, last sent before `repeatBefore`, or ended. No other process
     * gets them before `until`, also if the holder dies.
     */
    claim: async (
      holder: string,
      times: { now: Date; until: Date; repeatBefore: Date },
      limit: number,
    ): Promise<Alert[]> => {
      const rows = await database.query<AlertRecord>(
        `UPDATE ${schema}.alert SET claimed_by = $1, claimed_until = $3
         WHERE id IN (
           SELECT id FROM ${schema}.alert
           WHERE end_sent_at IS NULL AND (claimed_until IS NULL OR claimed_until <= $2)
             AND (ended_at IS NOT NULL OR last_sent_at IS NULL OR last_sent_at <= $4)
           ORDER BY since LIMIT $5 FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [holder, times.now, times.until, times.repeatBefore, limit],
      );
      return rows.map(toAlert).sort((a, b) => a.since.getTime() - b.since.getTime());
    },

    /** They were sent as claimed. An alert that has ended since then is sent once more, as ended. */
    markSent: async (holder: string, alerts: readonly Alert[], now: Date): Promise<void> => {
      const ids = (ended: boolean) =>
        alerts.filter(({ endedAt }) => (endedAt !== undefined) === ended).map(({ id }) => id);
      await database.query(
        `UPDATE ${schema}.alert SET
           last_sent_at = $4, claimed_by = NULL, claimed_until = NULL,
           end_sent_at = CASE WHEN id = ANY($3::bigint[]) THEN $4::timestamptz END
         WHERE claimed_by = $1 AND (id = ANY($2::bigint[]) OR id = ANY($3::bigint[]))`,
        [holder, ids(false), ids(true), now],
      );
    },

    /** There is nowhere to send to: the ends count as sent, or they would be sent when there is, and kept until then. */
    markEndsSent: async (now: Date): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.alert SET end_sent_at = $1 WHERE ended_at IS NOT NULL AND end_sent_at IS NULL`,
        [now],
      );
    },

    /**
     * The alerts of the last month, newest first. `before`: the id of the last alert of the page before. `about`: only
     * alerts of these kinds about these targets.
     */
    list: async (
      {
        before,
        about,
      }: {
        before?: number | undefined;
        about?: { kinds: readonly string[]; targets: readonly string[] } | undefined;
      },
      limit: number,
    ): Promise<Alert[]> => {
      const rows = await database.query<AlertRecord>(
        `SELECT * FROM ${schema}.alert
         WHERE ($2::bigint IS NULL OR id < $2) AND ($3::text[] IS NULL OR (kind = ANY($3) AND target = ANY($4)))
         ORDER BY id DESC LIMIT $1`,
        [limit, before ?? null, about ? [...about.kinds] : null, about ? [...about.targets] : null],
      );
      return rows.map(toAlert);
    },

    /** They could not be sent; another process may claim them. */
    release: async (holder: string): Promise<void> => {
      await database.query(
        `UPDATE ${schema}.alert SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = $1`,
        [holder],
      );
    },

    /** Deletes alerts whose end was sent before `endedBefore`. */
    deleteEnded: async (endedBefore: Date): Promise<void> => {
      await database.query(`DELETE FROM ${schema}.alert WHERE end_sent_at < $1`, [endedBefore]);
    },
  };
}
