/**
 * Deliveries as people see and repeat them, and their removal. Those of accounts that the endpoint no longer has are
 * neither shown nor repeated, because a key that is bound to its present accounts may see the endpoint.
 */
import { writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database } from '../database/database.ts';
import {
  DELIVERY_STATES,
  type Delivery,
  type DeliveryRecord,
  type DeliveryState,
  toDelivery,
} from './delivery-row.ts';
import type { EndpointRecord } from './endpoint-row.ts';
import { type Act, IS_OF_ACCOUNTS } from './endpoints.ts';

/** Rows that one statement removes. */
const REMOVED_AT_ONCE = 2_000;

export function createDeliveries(database: Database, schema: string) {
  const table = `${schema}.webhook_delivery`;
  const endpoints = `${schema}.webhook_endpoint`;

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
        `SELECT d.* FROM ${endpoints} e CROSS JOIN unnest($2::text[]) AS s (state) CROSS JOIN LATERAL (
           SELECT * FROM ${table} v WHERE endpoint = $1 AND state = s.state AND id < coalesce($3, ${2 ** 53 - 1})
             AND ${IS_OF_ACCOUNTS}
           ORDER BY id DESC LIMIT $4) AS d
         WHERE e.id = $1
         ORDER BY d.id DESC LIMIT $4`,
        [endpoint, state ? [state] : [...DELIVERY_STATES], before ?? null, limit],
      );
      return rows.map((row) => toDelivery(row, now));
    },

    /**
     * Makes it due now, with all its attempts again, and writes an entry. One of which an attempt runs is left alone.
     * Undefined: there is none.
     */
    resend: (endpoint: string, id: number, { by, now }: Act): Promise<Delivery | undefined> =>
      database.transaction(async (transaction) => {
        const [locked] = await transaction.query<Pick<EndpointRecord, 'accounts'>>(
          `SELECT accounts FROM ${endpoints} WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`,
          [endpoint],
        );
        const [row] = await transaction.query<DeliveryRecord>(
          `SELECT v.* FROM ${table} v JOIN ${endpoints} e ON e.id = v.endpoint
           WHERE v.id = $1 AND v.endpoint = $2 AND ${IS_OF_ACCOUNTS} FOR UPDATE OF v`,
          [id, endpoint],
        );
        if (!locked || !row) return undefined;
        const [made] = await transaction.query<DeliveryRecord>(
          `UPDATE ${table} SET state = 'pending', due_at = $3, attempts = 0, ended_at = NULL
           WHERE id = $1 AND endpoint = $2 AND (leased_until IS NULL OR leased_until <= $3) RETURNING *`,
          [id, endpoint, now],
        );
        const delivery = toDelivery(made ?? row, now);
        await writeAuditEntries(transaction, schema, [
          {
            at: now,
            actor: by,
            action: 'webhook.resend',
            target: endpoint,
            accounts: locked.accounts ?? undefined,
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
