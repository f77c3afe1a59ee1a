/** The claims and outcomes of deliveries. A claim is a lease: a column, so that that of a killed process lapses. */
import { storableJson } from '../../storable.ts';
import { writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database } from '../database/database.ts';
import { type Delivery, type DeliveryRecord, toDelivery } from './delivery-row.ts';
import { type EndpointRecord, toEndpoint, type WebhookEndpoint } from './endpoint-row.ts';

/** How many requests of all processes an endpoint gets at once. */
export const MAX_IN_FLIGHT = 8;

/** The actor of entries about endpoints that the program itself disables. */
const ACTOR = 'worker';

export interface AttemptResult {
  readonly delivery: Pick<Delivery, 'id' | 'endpoint'>;
  readonly lease: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly status?: number | undefined;
  /** Absent: it was delivered. */
  readonly reason?: string | undefined;
  /** The next attempt; absent: it has ended. */
  readonly retryAt?: Date | undefined;
}

export function createDeliveryClaims(database: Database, schema: string) {
  const endpoints = `${schema}.webhook_endpoint`;
  const deliveries = `${schema}.webhook_delivery`;

  return {
    /** The endpoints that have deliveries to be sent now. */
    due: async (now: Date): Promise<string[]> => {
      const rows = await database.query<{ id: string }>(
        `SELECT e.id FROM ${endpoints} e
         WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL AND EXISTS (
           SELECT FROM ${deliveries} d WHERE d.endpoint = e.id AND d.state = 'pending' AND d.due_at <= $1)
         ORDER BY e.id`,
        [now],
      );
      return rows.map(({ id }) => id);
    },

    /**
     * Claims due deliveries: at most so many of an endpoint as `places` says, and no more than leaves
     * {@link MAX_IN_FLIGHT} of it running in all processes; one while it has been failing since before `failingBefore`.
     * Endpoints that another process works on are skipped.
     */
    claim: (
      places: readonly { readonly endpoint: string; readonly count: number }[],
      { lease, now, until, failingBefore }: { lease: string; now: Date; until: Date; failingBefore: Date },
    ): Promise<{ endpoint: WebhookEndpoint; deliveries: Delivery[] }[]> =>
      database.transaction(async (transaction) => {
        // A statement of its own: the count below must see what the process before has claimed.
        const locked = await transaction.query<EndpointRecord>(
          `SELECT * FROM ${endpoints} WHERE id = ANY($1::text[]) AND disabled_at IS NULL AND deleted_at IS NULL
           ORDER BY id FOR NO KEY UPDATE SKIP LOCKED`,
          [places.map(({ endpoint }) => endpoint)],
        );
        if (locked.length === 0) return [];
        const wanted = places.filter(({ endpoint }) => locked.some(({ id }) => id === endpoint));
        const rows = await transaction.query<DeliveryRecord>(
          `WITH free AS (
             SELECT w.endpoint, least(w.places,
               CASE WHEN e.failing_since < $6 THEN 1 ELSE ${MAX_IN_FLIGHT} END - (
                 SELECT count(*) FROM ${deliveries} d WHERE d.endpoint = w.endpoint AND d.leased_until > $3)) AS n
             FROM unnest($1::text[], $2::integer[]) AS w (endpoint, places) JOIN ${endpoints} e ON e.id = w.endpoint),
           due AS (
             SELECT d.id FROM free CROSS JOIN LATERAL (
               SELECT id FROM ${deliveries} d
               WHERE d.endpoint = free.endpoint AND d.state = 'pending' AND d.due_at <= $3
               ORDER BY d.due_at, d.id LIMIT greatest(free.n, 0)) AS d)
           UPDATE ${deliveries} d SET lease = $4, leased_until = $5, due_at = $5
           FROM due WHERE d.id = due.id AND d.state = 'pending' AND d.due_at <= $3
           RETURNING d.*`,
          [
            wanted.map(({ endpoint }) => endpoint),
            wanted.map(({ count }) => count),
            now,
            lease,
            until,
            failingBefore,
          ],
        );
        rows.sort((a, b) => Number(a.id) - Number(b.id));
        return locked.map((row) => ({
          endpoint: toEndpoint(row),
          deliveries: rows.filter(({ endpoint }) => endpoint === row.id).map((one) => toDelivery(one, now)),
        }));
      }),

    /**
     * Writes the outcomes of attempts, each delivery at most once. A success counts in any case; a failure only under
     * its lease, because another process may have sent it meanwhile.
     */
    finish: async (results: readonly AttemptResult[]): Promise<void> => {
      const given = results.map(({ delivery, lease, startedAt, durationMs, status, reason, retryAt }) => ({
        id: delivery.id,
        lease,
        attempted_at: startedAt,
        ended_at: new Date(startedAt.getTime() + durationMs),
        duration_ms: durationMs,
        status,
        reason,
        retry_at: retryAt,
      }));
      await database.query(
        `WITH given AS (
           SELECT * FROM jsonb_to_recordset($1::jsonb) AS given (id bigint, lease text, attempted_at timestamptz,
             ended_at timestamptz, duration_ms integer, status smallint, reason text, retry_at timestamptz)),
         written AS (
           UPDATE ${deliveries} d SET attempts = d.attempts + 1, lease = NULL, leased_until = NULL,
             state = CASE WHEN g.reason IS NULL THEN 'delivered' WHEN g.retry_at IS NULL THEN 'failed' ELSE 'pending' END,
             due_at = CASE WHEN g.reason IS NULL THEN NULL ELSE g.retry_at END,
             ended_at = CASE WHEN g.reason IS NULL OR g.retry_at IS NULL THEN g.ended_at END,
             attempted_at = g.attempted_at, duration_ms = g.duration_ms, status = g.status, reason = g.reason
           FROM given g
           WHERE d.id = g.id AND d.state = 'pending' AND (g.reason IS NULL OR d.lease = g.lease)
           RETURNING d.endpoint, g.*),
         outcome AS (
           SELECT endpoint, max(ended_at) FILTER (WHERE reason IS NULL) AS success_at,
             (max(ARRAY[to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), reason, status::text])
               FILTER (WHERE reason IS NOT NULL)) AS failure,
             min(attempted_at) FILTER (WHERE reason IS NOT NULL) AS failed_at
           FROM written GROUP BY endpoint)
         UPDATE ${endpoints} e SET
           last_success_at = greatest(e.last_success_at, o.success_at),
           last_failure = CASE WHEN o.failure IS NULL THEN e.last_failure ELSE jsonb_strip_nulls(jsonb_build_object(
             'at', o.failure[1], 'reason', o.failure[2], 'status', o.failure[3]::integer)) END,
           failing_since = CASE WHEN o.success_at IS NOT NULL THEN NULL ELSE coalesce(e.failing_since, o.failed_at) END
         FROM outcome o WHERE e.id = o.endpoint`,
        [storableJson(given)],
      );
    },

    /**
     * Gives claimed deliveries back, for another process to send at once: no attempt was made, or it was ended by the
     * end of this process.
     */
    giveBack: async (lease: string, ids: readonly number[], now: Date): Promise<void> => {
      await database.query(
        `UPDATE ${deliveries} SET lease = NULL, leased_until = NULL, due_at = $3
         WHERE id = ANY($1::bigint[]) AND lease = $2 AND state = 'pending'`,
        [[...ids], lease, now],
      );
    },

    /** Disables an endpoint that is gone, or that has been failing since before `failingBefore`. False: it has not. */
    disable: (id: string, why: 'gone' | { failingBefore: Date }, now: Date): Promise<boolean> =>
      database.transaction(async (transaction) => {
        const reason = why === 'gone' ? 'gone' : 'failing';
        const [row] = await transaction.query<EndpointRecord>(
          `UPDATE ${endpoints} SET disabled_at = $2, disabled_reason = $3, updated_at = $2
           WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL
             AND ($4::timestamptz IS NULL OR failing_since <= $4) RETURNING *`,
          [id, now, reason, why === 'gone' ? null : why.failingBefore],
        );
        if (!row) return false;
        const { accounts } = toEndpoint(row);
        await writeAuditEntries(transaction, schema, [
          { at: now, actor: ACTOR, action: 'webhook.disable', target: id, accounts, detail: { reason } },
        ]);
        return true;
      }),
  };
}
