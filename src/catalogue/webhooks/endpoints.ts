/** Webhook endpoints: where events are sent. Every change is in the audit log, in the transaction of the change. */
import { randomBytes } from 'node:crypto';
import { storableJson } from '../../storable.ts';
import { type AuditAction, writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database, Queryable } from '../database/database.ts';
import {
  CONFIGURED_ENDPOINT,
  type DisabledReason,
  type EncryptedCopies,
  type EndpointRecord,
  toEndpoint,
  type WebhookEndpoint,
} from './endpoint-row.ts';

/** Each endpoint has a place of its own in every process that sends, so that none waits for another. */
export const MAX_ENDPOINTS = 50;

/** Undefined: unchanged. Null: none, or all. */
export interface EndpointChange {
  readonly url?: string | undefined;
  readonly description?: string | null | undefined;
  readonly types?: readonly string[] | null | undefined;
  readonly accounts?: readonly string[] | null | undefined;
}

export interface NewEndpoint extends EndpointChange {
  readonly url: string;
  readonly secret: EncryptedCopies;
}

/** An endpoint with what the lists show of its deliveries. */
export interface EndpointState extends WebhookEndpoint {
  /** Counted up to {@link MAX_PENDING_COUNT}. */
  readonly pending: number;
  /** Events of the feed of which no deliveries were made yet. */
  readonly behind: number;
}

/** Fan-out pauses at so many pending deliveries of an endpoint. */
export const MAX_PENDING = 10_000;

/** Who changes it, and when. */
export interface Act {
  readonly by: string;
  readonly now: Date;
}

/** SQL: whether `v`, an event or a delivery, is of the accounts of the endpoint `e`. Events of the store have none. */
export const IS_OF_ACCOUNTS = '(e.accounts IS NULL OR v.account = ANY(e.accounts))';

/** SQL: the number of pending deliveries of the endpoint whose id is `endpoint`, counted up to the limit of fan-out. */
export const pendingOf = (schema: string, endpoint: string): string =>
  `(SELECT count(*) FROM (SELECT FROM ${schema}.webhook_delivery p
      WHERE p.endpoint = ${endpoint} AND p.state = 'pending' LIMIT ${MAX_PENDING}) AS counted)`;

export function createWebhookEndpoints(database: Database, schema: string) {
  const table = `${schema}.webhook_endpoint`;
  const select = `SELECT * FROM ${table} WHERE deleted_at IS NULL`;

  async function lock(transaction: Queryable, id: string): Promise<WebhookEndpoint | undefined> {
    const [row] = await transaction.query<EndpointRecord>(`${select} AND id = $1 FOR NO KEY UPDATE`, [id]);
    return row && toEndpoint(row);
  }

  const audit = (
    transaction: Queryable,
    action: AuditAction,
    { id, accounts }: Pick<WebhookEndpoint, 'id' | 'accounts'>,
    { by, now }: Act,
    detail?: Record<string, unknown>,
  ) => writeAuditEntries(transaction, schema, [{ at: now, actor: by, action, target: id, accounts, detail }]);

  /** Changes an endpoint that exists, and writes an entry. Undefined: there is none. */
  const change = (
    id: string,
    action: AuditAction,
    act: Act,
    work: (transaction: Queryable, before: WebhookEndpoint) => Promise<EndpointRecord[]>,
    detailOf: (before: WebhookEndpoint) => Record<string, unknown> | undefined = () => undefined,
  ): Promise<WebhookEndpoint | undefined> =>
    database.transaction(async (transaction) => {
      const before = await lock(transaction, id);
      if (!before) return undefined;
      const [row] = await work(transaction, before);
      const after = row ? toEndpoint(row) : before;
      await audit(transaction, action, after, act, detailOf(before));
      return after;
    });

  async function insert(transaction: Queryable, id: string, given: NewEndpoint, act: Act) {
    const [row] = await transaction.query<EndpointRecord>(
      `INSERT INTO ${table} (id, url, description, types, accounts, secret, position, created_at, created_by, updated_at)
       SELECT $1, $2, $3, $4, $5, $6, position, $7, $8, $7 FROM ${schema}.event_head
       -- The endpoint of WEBHOOK_URL was deleted, and its deliveries are not removed yet.
       ON CONFLICT (id) DO UPDATE SET
         (url, description, types, accounts, secret, position, created_at, created_by, updated_at) =
         ROW (excluded.url, NULL, NULL, NULL, excluded.secret, excluded.position, excluded.created_at,
              excluded.created_by, excluded.updated_at),
         previous_secret = NULL, previous_secret_until = NULL, failing_since = NULL, missed = 0,
         disabled_at = NULL, disabled_reason = NULL, deleted_at = NULL
       RETURNING *`,
      [
        id,
        given.url,
        given.description ?? null,
        given.types ?? null,
        given.accounts ?? null,
        storableJson(given.secret),
        act.now,
        act.by,
      ],
    );
    const endpoint = toEndpoint(row!);
    await audit(transaction, 'webhook.create', endpoint, act, { host: hostOf(given.url) });
    return endpoint;
  }

  return {
    /** Creates an endpoint at the end of the feed. Undefined: there are {@link MAX_ENDPOINTS} already. */
    create: (given: NewEndpoint, act: Act): Promise<WebhookEndpoint | undefined> =>
      database.transaction(async (transaction) => {
        // The lock of the table's own kind: two requests at once must not both be the last one that fits.
        await transaction.query(`LOCK TABLE ${table} IN SHARE ROW EXCLUSIVE MODE`);
        const [row] = await transaction.query<{ n: string }>(
          `SELECT count(*) AS n FROM ${table} WHERE deleted_at IS NULL`,
        );
        if (Number(row!.n) >= MAX_ENDPOINTS) return undefined;
        return insert(transaction, `whe_${randomBytes(12).toString('hex')}`, given, act);
      }),

    get: async (id: string): Promise<WebhookEndpoint | undefined> => {
      const [row] = await database.query<EndpointRecord>(`${select} AND id = $1`, [id]);
      return row && toEndpoint(row);
    },

    /** All endpoints, the oldest first. */
    list: async (): Promise<WebhookEndpoint[]> =>
      (await database.query<EndpointRecord>(`${select} ORDER BY created_at, id`)).map(toEndpoint),

    /** The same with the counts of deliveries; `id`: only this one. */
    states: async (id?: string): Promise<EndpointState[]> => {
      const rows = await database.query<EndpointRecord & { pending: string; behind: string }>(
        `SELECT e.*, ${pendingOf(schema, 'e.id')} AS pending,
           h.position - greatest(e.position, h.expired) AS behind,
           e.missed + greatest(0, h.expired - e.position) AS missed
         FROM ${table} e CROSS JOIN ${schema}.event_head h
         WHERE e.deleted_at IS NULL AND ($1::text IS NULL OR e.id = $1) ORDER BY e.created_at, e.id`,
        [id ?? null],
      );
      return rows.map((row) => ({
        ...toEndpoint(row),
        pending: Number(row.pending),
        behind: Number(row.behind),
      }));
    },

    /** Removes what waits of accounts that it no longer has: a key of the accounts that are left may change its address. */
    update: (id: string, fields: EndpointChange, act: Act) =>
      change(
        id,
        'webhook.change',
        act,
        async (transaction, before) => {
          const rows = await transaction.query<EndpointRecord>(
            `UPDATE ${table} SET url = $2, description = $3, types = $4, accounts = $5, updated_at = $6
             WHERE id = $1 RETURNING *`,
            [
              id,
              fields.url ?? before.url,
              fields.description === undefined ? (before.description ?? null) : fields.description,
              fields.types === undefined ? (before.types ?? null) : fields.types,
              fields.accounts === undefined ? (before.accounts ?? null) : fields.accounts,
              act.now,
            ],
          );
          if (fields.accounts)
            await transaction.query(
              `DELETE FROM ${schema}.webhook_delivery v USING ${table} e
               WHERE e.id = $1 AND v.endpoint = $1 AND v.state = 'pending' AND NOT coalesce(${IS_OF_ACCOUNTS}, false)`,
              [id],
            );
          return rows;
        },
        () => ({
          fields: Object.keys(fields).filter((name) => fields[name as keyof EndpointChange] !== undefined),
        }),
      ),

    /** Replaces the secret; the one before signs too until `until`. */
    rotate: (id: string, secret: EncryptedCopies, until: Date, act: Act) =>
      change(id, 'webhook.rotate', act, (transaction) =>
        transaction.query<EndpointRecord>(
          `UPDATE ${table} SET previous_secret = secret, previous_secret_until = $3, secret = $2, updated_at = $4
           WHERE id = $1 RETURNING *`,
          [id, storableJson(secret), until, act.now],
        ),
      ),

    /** Enables it. It goes on where it was; deliveries that wait are due again when they were planned. */
    enable: (id: string, act: Act) =>
      change(id, 'webhook.enable', act, (transaction) =>
        transaction.query<EndpointRecord>(
          `UPDATE ${table} SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, updated_at = $2
           WHERE id = $1 RETURNING *`,
          [id, act.now],
        ),
      ),

    disable: (id: string, reason: DisabledReason, act: Act) =>
      change(
        id,
        'webhook.disable',
        act,
        (transaction) =>
          transaction.query<EndpointRecord>(
            `UPDATE ${table} SET disabled_at = coalesce(disabled_at, $2), disabled_reason = $3, updated_at = $2
             WHERE id = $1 RETURNING *`,
            [id, act.now, reason],
          ),
        () => ({ reason }),
      ),

    /** Deletes it. Its deliveries are removed later, in steps. */
    delete: (id: string, act: Act) =>
      change(id, 'webhook.delete', act, (transaction) =>
        transaction.query<EndpointRecord>(
          `UPDATE ${table} SET deleted_at = $2, updated_at = $2 WHERE id = $1 RETURNING *`,
          [id, act.now],
        ),
      ),

    /** Creates the endpoint of WEBHOOK_URL, or changes it to what is configured now. Enables one that was removed. */
    saveConfigured: (
      given: NewEndpoint & { isSecretNew: (before: WebhookEndpoint) => boolean; previousUntil: Date },
      act: Act,
    ): Promise<void> =>
      database.transaction(async (transaction) => {
        await transaction.query(`LOCK TABLE ${table} IN SHARE ROW EXCLUSIVE MODE`);
        const before = await lock(transaction, CONFIGURED_ENDPOINT);
        if (!before) {
          await insert(transaction, CONFIGURED_ENDPOINT, given, act);
          return;
        }
        if (given.isSecretNew(before)) {
          await transaction.query(
            `UPDATE ${table} SET previous_secret = secret, previous_secret_until = $3, secret = $2, updated_at = $4
             WHERE id = $1`,
            [CONFIGURED_ENDPOINT, storableJson(given.secret), given.previousUntil, act.now],
          );
          await audit(transaction, 'webhook.rotate', before, act);
        }
        const isBack = before.disabled?.reason === 'not_configured';
        if (before.url === given.url && !isBack) return;
        await transaction.query(
          `UPDATE ${table} SET url = $2, updated_at = $3, disabled_at = CASE WHEN $4 THEN NULL ELSE disabled_at END,
             disabled_reason = CASE WHEN $4 THEN NULL ELSE disabled_reason END WHERE id = $1`,
          [CONFIGURED_ENDPOINT, given.url, act.now, isBack],
        );
        if (isBack) await audit(transaction, 'webhook.enable', before, act);
        else await audit(transaction, 'webhook.change', before, act, { fields: ['url'] });
      }),

    /** Writes newly encrypted copies of secrets that have not changed meanwhile. */
    reencrypt: async (id: string, before: EncryptedCopies, after: EncryptedCopies): Promise<void> => {
      await database.query(
        `UPDATE ${table} SET
           secret = CASE WHEN secret = $2::jsonb THEN $3::jsonb ELSE secret END,
           previous_secret = CASE WHEN previous_secret = $2::jsonb THEN $3::jsonb ELSE previous_secret END
         WHERE id = $1 AND $2::jsonb IN (secret, previous_secret)`,
        [id, storableJson(before), storableJson(after)],
      );
    },
  };
}

/** The host of an address: the rest may contain a key. */
export const hostOf = (url: string): string => URL.parse(url)?.host ?? '';
