/** Statistics for the dashboard and the metrics. Counts by status are read from media_count, never by a scan. */
import type { FailureClass } from '../../failures.ts';
import { STATUSES, type Status } from '../../media.ts';
import { AT_RISK_SHARE, type Lifetimes } from '../../runtime/clock.ts';
import type { Database } from '../database/database.ts';
import { storeIsHeld } from '../queue/store-hold.ts';

export interface DeadLetterGroup {
  readonly account: string;
  readonly code: string;
  readonly errcode?: number;
  readonly class?: FailureClass;
  readonly count: number;
  readonly firstAt: Date;
  readonly lastAt: Date;
}

export interface DeadLetterRecord {
  account: string;
  failure_code: string;
  /** 0: the failure has no errcode. */
  errcode: number;
  n: string;
  class: FailureClass | null;
  first_at: Date | null;
  last_at: Date | null;
}

/** Empty if the last item of the group is gone meanwhile. */
export function toGroup(row: DeadLetterRecord): DeadLetterGroup[] {
  if (!row.first_at || !row.last_at) return [];
  return [
    {
      account: row.account,
      code: row.failure_code,
      ...(row.errcode === 0 ? {} : { errcode: row.errcode }),
      ...(row.class ? { class: row.class } : {}),
      count: Number(row.n),
      firstAt: row.first_at,
      lastAt: row.last_at,
    },
  ];
}

export interface Stats {
  readonly byStatus: Readonly<Record<Status, number>>;
  /** Pending items by the time left until expiresAt. */
  readonly backlog: {
    readonly overdue: number;
    readonly under1h: number;
    readonly under6h: number;
    readonly under24h: number;
    readonly over24h: number;
  };
  /** Pending items by the reason they wait for. */
  readonly waiting: Readonly<Record<string, number>>;
  /** Pending items with less than a twelfth of the media lifetime left (six hours of 72). */
  readonly atRisk: number;
  /** Of the pending items; absent if none is pending. Negative after the deadline. */
  readonly tightestExpirySeconds?: number;
  readonly oldestPendingSeconds?: number;
  readonly archivedPerMinute: number;
  /** Items that expired in the last seven days and are still expired. */
  readonly lostLast7Days: number;
}

const LIFETIME_HOURS = 72;
const WEEK_MS = 7 * 24 * 3_600_000;

export function createStats(
  database: Database,
  schema: string,
  { lifetimeMs, scale }: Pick<Lifetimes, 'lifetimeMs' | 'scale'>,
) {
  const hoursMs = (hours: number) => (lifetimeMs * hours) / LIFETIME_HOURS;
  return {
    /** Of all accounts, or of the given ones. */
    read: async (now: Date, accounts?: readonly string[]): Promise<Stats> => {
      const isIncluded = (parameter: number) => (accounts ? `account = ANY($${parameter}::text[])` : 'true');
      const given = accounts ? [[...accounts]] : [];
      const inMs = (ms: number) => new Date(now.getTime() + ms);
      const byStatus = await database.query<{ status: Status; n: string }>(
        `SELECT status, greatest(0, sum(n)) AS n FROM ${schema}.media_count WHERE ${isIncluded(1)} GROUP BY status`,
        given,
      );
      const waiting = await database.query<{ reason: string; n: string }>(
        `SELECT CASE WHEN running_since IS NOT NULL THEN 'running'
                     WHEN stage = 1 AND ${storeIsHeld(schema)} THEN 'storeHeld'
                     WHEN stage = 1 AND held.account IS NOT NULL THEN 'accountHeld'
                     ELSE coalesce(waiting_reason, 'queued') END AS reason,
                count(*) AS n
         FROM ${schema}.media
         LEFT JOIN (SELECT account FROM ${schema}.account WHERE held_until IS NOT NULL) AS held USING (account)
         WHERE status = 'pending' AND ${isIncluded(1)} GROUP BY 1`,
        given,
      );
      const [backlog] = await database.query<Record<string, string>>(
        `SELECT count(*) FILTER (WHERE expires_at <= $1) AS overdue,
                count(*) FILTER (WHERE expires_at > $1 AND expires_at <= $2) AS under1h,
                count(*) FILTER (WHERE expires_at > $2 AND expires_at <= $3) AS under6h,
                count(*) FILTER (WHERE expires_at > $3 AND expires_at <= $4) AS under24h,
                count(*) FILTER (WHERE expires_at > $4) AS over24h,
                count(*) FILTER (WHERE expires_at <= $5) AS at_risk
         FROM ${schema}.media WHERE status = 'pending' AND ${isIncluded(6)}`,
        [
          now,
          inMs(hoursMs(1)),
          inMs(hoursMs(6)),
          inMs(hoursMs(24)),
          inMs(lifetimeMs / AT_RISK_SHARE),
          ...given,
        ],
      );
      const [edge] = await database.query<{
        tightest: Date | null;
        oldest: Date | null;
        archived: string;
        lost: string;
      }>(
        `SELECT (SELECT min(expires_at) FROM ${schema}.media WHERE status = 'pending' AND ${isIncluded(3)}) AS tightest,
                (SELECT min(sent_at) FROM ${schema}.media WHERE status = 'pending' AND ${isIncluded(3)}) AS oldest,
                (SELECT count(*) FROM ${schema}.media WHERE archived_at > $1 AND ${isIncluded(3)}) AS archived,
                (SELECT count(*) FROM ${schema}.media
                 WHERE status = 'expired' AND updated_at > $2 AND ${isIncluded(3)}) AS lost`,
        [inMs(-60_000), inMs(-scale(WEEK_MS)), ...given],
      );
      const counts = new Map(byStatus.map((row) => [row.status, Number(row.n)]));
      const number = (key: string) => Number(backlog?.[key] ?? 0);
      const seconds = (ms: number) => Math.round(ms / 1000);
      return {
        byStatus: Object.fromEntries(
          STATUSES.map((status) => [status, counts.get(status) ?? 0]),
        ) as Stats['byStatus'],
        backlog: {
          overdue: number('overdue'),
          under1h: number('under1h'),
          under6h: number('under6h'),
          under24h: number('under24h'),
          over24h: number('over24h'),
        },
        waiting: Object.fromEntries(waiting.map((row) => [row.reason, Number(row.n)])),
        atRisk: number('at_risk'),
        ...(edge?.tightest
          ? { tightestExpirySeconds: seconds(edge.tightest.getTime() - now.getTime()) }
          : {}),
        ...(edge?.oldest
          ? { oldestPendingSeconds: seconds(Math.max(0, now.getTime() - edge.oldest.getTime())) }
          : {}),
        archivedPerMinute: Number(edge?.archived ?? 0),
        lostLast7Days: Number(edge?.lost ?? 0),
      };
    },

    /** Dead letters by account and failure, largest first. Counts are from media_count, first and last from an index. */
    deadLetterGroups: async (limit: number, accounts?: readonly string[]): Promise<DeadLetterGroup[]> => {
      const rows = await database.query<DeadLetterRecord>(
        `WITH dead AS (
           SELECT account, failure_code, errcode, sum(n) AS n FROM ${schema}.media_count
           WHERE status = 'dead' ${accounts ? 'AND account = ANY($2::text[])' : ''}
           GROUP BY 1, 2, 3 HAVING sum(n) > 0 ORDER BY 4 DESC LIMIT $1)
         SELECT dead.*, first.updated_at AS first_at, last.updated_at AS last_at, last.class
         FROM dead
         CROSS JOIN LATERAL (
           SELECT updated_at FROM ${schema}.media m
           WHERE m.status = 'dead' AND m.account = dead.account AND m.failure_code = dead.failure_code
             AND coalesce(m.errcode, 0) = dead.errcode
           ORDER BY updated_at LIMIT 1) AS first
         CROSS JOIN LATERAL (
           SELECT updated_at, failure ->> 'class' AS class FROM ${schema}.media m
           WHERE m.status = 'dead' AND m.account = dead.account AND m.failure_code = dead.failure_code
             AND coalesce(m.errcode, 0) = dead.errcode
           ORDER BY updated_at DESC LIMIT 1) AS last
         ORDER BY dead.n DESC`,
        [limit, ...(accounts ? [[...accounts]] : [])],
      );
      return rows.flatMap(toGroup);
    },
  };
}
