/** Deliveries as people see and repeat them, and their removal. */
import { writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database } from '../database/database.ts';
import {
  DELIVERY_STATES,
  type Delivery,
  type DeliveryRecord,
  type DeliveryState,
  toDelivery,
} from './delivery-row.ts';
import type { WebhookEndpoint } from './endpoint-row.ts';
import type { Act } from './endpoints.ts';

/** Rows that one statement removes. */
const REMOVED_AT_ONCE = 2_000;

export function createDeliveries(database: Database, schema: string) {
  const table = `${schema}.webhook_delivery`;

  return {
    /** Newest first. `before`: the id of the last delivery of the page before. */
    list: async (
      endpoint: string,
      {
        state,
        before,
        limit,
      }: { state?: DeliveryState | undefined; before?: number | undefined; limit: number },
      now: Date,
    ): Promise<Delivery[]> => {
      // For each state from the index, instead of a third index for all of them.
      const rows = await database.query<DeliveryRecord>(
        `SELECT d.* FROM unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
           SELECT * FROM ${table} WHERE endpoint = $1 AND state = s.state AND id < coalesce($3, ${2 ** 53 - 1})
           ORDER BY id DESC LIMIT $4) AS d
         ORDER BY d.id DESC LIMIT $4`,
        [endpoint, state ? [state] : [...DELIVERY_STATES], before ?? null, limit],
      );
      return rows.map((row) => toDelivery(row, now));
    },

    get: async (endpoint: string, id: number, now: Date): Promise<Delivery | undefined> => {
      const [row] = await database.query<DeliveryRecord>(
        `SELECT * FROM ${table} WHERE id = $1 AND endpoint = $2`,
        [id, endpoint],
      );
      return row && toDelivery(row, now);
    },

    /**
     * Makes it due now, with all its attempts again, and writes an entry. One of which an attempt runs is left alone.
     * Undefined: there is none.
     */
    resend: (
      endpoint: Pick<WebhookEndpoint, 'id' | 'accounts'>,
      id: number,
      { by, now }: Act,
    ): Promise<Delivery | undefined> =>
      database.transaction(async (transaction) => {
        await transaction.query(
          `UPDATE ${table} SET state = 'pending', due_at = $3, attempts = 0, ended_at = NULL
           WHERE id = $1 AND endpoint = $2 AND (leased_until IS NULL OR leased_until <= $3)`,
          [id, endpoint.id, now],
        );
        const [row] = await transaction.query<DeliveryRecord>(
          `SELECT * FROM ${table} WHERE id = $1 AND endpoint = $2`,
          [id, endpoint.id],
        );
        if (!row) return undefined;
        const delivery = toDelivery(row, now);
        await writeAuditEntries(transaction, schema, [
          {
            at: now,
            actor: by,
            action: 'webhook.resend',
            target: endpoint.id,
            accounts: endpoint.accounts,
            detail: { delivery: id, event: delivery.event.id },
          },
        ]);
        return delivery;
      }),

    /** Pending deliveries of endpoints that are enabled; counted up to `limit`. */
    countPending: async (limit: number): Promise<number> => {
      const [row] = await database.query<{ n: string }>(
        `SELECT count(*) AS n FROM (
           SELECT FROM ${table} d JOIN ${schema}.webhook_endpoint e ON e.id = d.endpoint
           WHERE d.state = 'pending' AND e.disabled_at IS NULL AND e.deleted_at IS NULL LIMIT $1) AS counted`,
        [limit],
      );
      return Number(row!.n);
    },

    /**
     * Removes a batch of deliveries that ended before `before`, or whose endpoint was deleted; then endpoints without
     * deliveries that were deleted. Resolves with whether there may be more.
     */
    remove: async (before: Date): Promise<boolean> => {
      const ended = await database.query(
        `DELETE FROM ${table} WHERE id IN (
           SELECT id FROM ${table} WHERE ended_at < $1 ORDER BY ended_at LIMIT ${REMOVED_AT_ONCE}
           FOR UPDATE SKIP LOCKED) RETURNING id`,
        [before],
      );
      const orphaned = await database.query(
        `DELETE FROM ${table} WHERE id IN (
           SELECT d.id FROM ${schema}.webhook_endpoint e CROSS JOIN LATERAL (
             SELECT id FROM ${table} WHERE endpoint = e.id LIMIT ${REMOVED_AT_ONCE}) AS d
           WHERE e.deleted_at IS NOT NULL LIMIT ${REMOVED_AT_ONCE}) RETURNING id`,
      );
      await database.query(
        `DELETE FROM ${schema}.webhook_endpoint e
         WHERE e.deleted_at IS NOT NULL AND NOT EXISTS (SELECT FROM ${table} d WHERE d.endpoint = e.id)`,
      );
      return ended.length === REMOVED_AT_ONCE || orphaned.length === REMOVED_AT_ONCE;
    },
  };
}
