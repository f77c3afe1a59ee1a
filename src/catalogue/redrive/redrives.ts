/** Redrives: dead letters become pending again, one by hand, or many by a filter, a page at a time. */
import { randomBytes } from 'node:crypto';
import type { Lifetimes } from '../../runtime/clock.ts';
import { storableJson } from '../../storable.ts';
import { writeAuditEntries } from '../audit-log/audit-log.ts';
import type { Database, Queryable } from '../database/database.ts';
import { type DeadLetterGroup, type DeadLetterRecord, toGroup } from '../history/stats.ts';
import { conditionsOf as mediaConditionsOf } from '../media/filter.ts';
import { CLOSED_AT, conditionsOf, phasesOf, statusIs } from './filter.ts';
import {
  CHOSEN_LIMIT,
  COLUMNS,
  type Redrive,
  type RedriveRecord,
  type RedriveRequest,
  TooManyChosenError,
  toRedrive,
} from './redrive-row.ts';

/** A page holds what the rate allows in this time. */
const PAGE_SECONDS = 0.5;
const GROUPS_LIMIT = 500;

export function createRedrives(database: Database, schema: string, lifetimes: Lifetimes) {
  const closesAt = (now: Date) => new Date(now.getTime() + lifetimes.closingMs);

  /** $1 now, $2 the earliest closesAt, $3 last_redrive. The generation grows, so that an earlier attempt changes nothing. */
  const setPending = `
    SET status = 'pending', stage = 1, generation = m.generation + 1, claimed_at = NULL, running_since = NULL,
        next_attempt_at = NULL, waiting_reason = NULL, updated_at = $1, closes_at = greatest(m.closes_at, $2),
        redrives = coalesce(m.redrives, 0) + 1, last_redrive = $3::jsonb`;

  /** Redrives whose accounts are all among parameter `n`; every redrive if that is null. */
  const visible = (n: number) =>
    `($${n}::text[] IS NULL OR (filter -> 'account') <@ to_jsonb($${n}::text[]))`;

  /** What a new redrive matches, as conditions on media `m`. */
  function matching(
    { filter, chosen }: Pick<RedriveRequest, 'filter' | 'chosen'>,
    now: Date,
    bind: (value: unknown) => string,
  ): string {
    const conditions = [statusIs(filter.status), ...conditionsOf(filter, now, bind)];
    if (chosen) {
      const where = mediaConditionsOf(chosen, bind, schema).join(' AND ');
      conditions.push(`m.id IN (SELECT id FROM ${schema}.media WHERE ${where})`);
    }
    return conditions.join(' AND ');
  }

  async function pageOf(transaction: Queryable, redrive: RedriveRecord, most: number) {
    const phase = phasesOf(redrive.filter)[redrive.phase];
    if (!phase) return [];
    const values: unknown[] = [];
    const bind = (value: unknown) => `$${values.push(value)}`;
    const conditions = [statusIs([phase.status]), ...conditionsOf(redrive.filter, redrive.created_at, bind)];
    if (redrive.has_items) {
      conditions.push(`m.id IN (SELECT unnest(items) FROM ${schema}.redrive WHERE id = ${bind(redrive.id)})`);
    }
    if (phase.isAvailable !== undefined) {
      conditions.push(`m.sent_at ${phase.isAvailable ? '>' : '<='} ${bind(redrive.available_after)}`);
    }
    if (redrive.cursor_id !== null) {
      const after = `(${bind(redrive.cursor_sent_at)}::timestamptz, ${bind(redrive.cursor_id)}::text)`;
      conditions.push(`(m.sent_at, m.id) > ${after}`);
    }
    return transaction.query<{ id: string; sent_at: string }>(
      `SELECT m.id, m.sent_at::text AS sent_at FROM ${schema}.media m WHERE ${conditions.join(' AND ')}
       ORDER BY m.sent_at, m.id LIMIT ${bind(most)}`,
      values,
    );
  }

  /** How many items a new redrive matches, and which where the filter names persons or items. */
  async function select(
    transaction: Queryable,
    request: RedriveRequest,
    now: Date,
  ): Promise<{ matched: number; items: string[] | null }> {
    const values: unknown[] = [];
    const where = matching(request, now, (value) => `$${values.push(value)}`);
    if (request.chosen) {
      const rows = await transaction.query<{ id: string }>(
        `SELECT m.id FROM ${schema}.media m WHERE ${where} LIMIT ${CHOSEN_LIMIT + 1}`,
        values,
      );
      if (rows.length > CHOSEN_LIMIT) throw new TooManyChosenError();
      return { matched: rows.length, items: rows.map(({ id }) => id) };
    }
    const [counted] = await transaction.query<{ n: string }>(
      `SELECT count(*) AS n FROM ${schema}.media m WHERE ${where}`,
      values,
    );
    return { matched: Number(counted?.n ?? 0), items: null };
  }

  return {
    /**
     * Makes a dead item, with `force` also an expired one, pending and due, with at least the closing window left until
     * closesAt. False: it is neither, or was never downloadable.
     */
    redriveOne: async (
      id: string,
      now: Date,
      { actor, reason, force = false }: { actor: string; reason?: string | undefined; force?: boolean },
    ): Promise<boolean> => {
      const lastRedrive = storableJson({ at: now, by: actor, reason });
      const statuses = statusIs(force ? ['dead', 'expired'] : ['dead']);
      const rows = await database.query(
        `WITH redriven AS (
           UPDATE ${schema}.media m ${setPending}
           WHERE m.id = $4 AND ${statuses} AND m.failure_code <> 'not_downloadable' RETURNING m.id, m.account),
         audited AS (
           INSERT INTO ${schema}.audit_log (at, actor, action, target, accounts, reason)
           SELECT $1, $5, 'redrive', id, ARRAY[account], $6 FROM redriven)
         SELECT id FROM redriven`,
        [now, closesAt(now), lastRedrive, id, actor, reason ?? null],
      );
      return rows.length > 0;
    },

    /**
     * What a redrive would take now: how many items, and by failure, largest first. Throws TooManyChosenError where
     * `create` would.
     */
    preview: async (
      request: Pick<RedriveRequest, 'filter' | 'chosen'>,
      now: Date,
    ): Promise<{ matched: number; groups: DeadLetterGroup[] }> => {
      const values: unknown[] = [];
      const where = matching(request, now, (value) => `$${values.push(value)}`);
      const rows = await database.query<DeadLetterRecord & { matched: string }>(
        `SELECT m.account, m.failure_code, coalesce(m.errcode, 0) AS errcode, count(*) AS n,
                max(m.failure ->> 'class') AS class, min(${CLOSED_AT}) AS first_at, max(${CLOSED_AT}) AS last_at,
                sum(count(*)) OVER () AS matched
         FROM ${schema}.media m WHERE ${where}
         GROUP BY 1, 2, 3 ORDER BY n DESC LIMIT ${GROUPS_LIMIT}`,
        values,
      );
      const matched = Number(rows[0]?.matched ?? 0);
      if (request.chosen && matched > CHOSEN_LIMIT) throw new TooManyChosenError();
      return { matched, groups: rows.flatMap(toGroup) };
    },

    /**
     * Creates a redrive, for `runPage` to do. Items that die from now on are not part of it. Throws TooManyChosenError,
     * and then creates nothing.
     */
    create: (request: RedriveRequest, now: Date): Promise<{ id: string; matched: number }> =>
      database.transaction(async (transaction) => {
        const { matched, items } = await select(transaction, request, now);
        const id = `r_${randomBytes(16).toString('hex')}`;
        await transaction.query(
          `INSERT INTO ${schema}.redrive
             (id, state, filter, items, rate, actor, reason, total, created_at, available_after, next_page_at, updated_at,
              ended_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $9, CASE WHEN $2 = 'done' THEN $9::timestamptz END)`,
          [
            id,
            matched === 0 ? 'done' : 'running',
            storableJson(request.filter),
            matched === 0 ? null : items,
            request.rate,
            request.actor,
            request.reason ?? null,
            Math.min(matched, request.limit ?? matched),
            now,
            new Date(now.getTime() - lifetimes.lifetimeMs),
          ],
        );
        const { actor, reason } = request;
        await writeAuditEntries(transaction, schema, [
          { at: now, actor, action: 'redrive', target: id, accounts: request.filter.account, reason },
        ]);
        return { id, matched };
      }),

    /** Undefined: there is none, or it covers other accounts than `accounts`. */
    get: async (id: string, accounts?: readonly string[]): Promise<Redrive | undefined> => {
      const [record] = await database.query<RedriveRecord>(
        `SELECT ${COLUMNS} FROM ${schema}.redrive WHERE id = $1 AND ${visible(2)}`,
        [id, accounts ? [...accounts] : null],
      );
      return record && toRedrive(record);
    },

    /** Newest first. */
    list: async (limit: number, accounts?: readonly string[]): Promise<Redrive[]> => {
      const records = await database.query<RedriveRecord>(
        `SELECT ${COLUMNS} FROM ${schema}.redrive WHERE ${visible(2)} ORDER BY created_at DESC, id LIMIT $1`,
        [limit, accounts ? [...accounts] : null],
      );
      return records.map(toRedrive);
    },

    /** Once it resolves no further page begins. False: it had ended already. */
    stop: async (id: string, actor: string, now: Date): Promise<boolean> => {
      const rows = await database.query(
        `WITH stopped AS (
           UPDATE ${schema}.redrive SET state = 'stopped', items = NULL, updated_at = $2, ended_at = $2
           WHERE id = $1 AND state = 'running' RETURNING id, filter),
         audited AS (
           INSERT INTO ${schema}.audit_log (at, actor, action, target, accounts)
           SELECT $2, $3, 'redrive.stop', id, CASE WHEN filter ? 'account'
             THEN ARRAY(SELECT jsonb_array_elements_text(filter -> 'account')) END FROM stopped)
         SELECT id FROM stopped`,
        [id, now, actor],
      );
      return rows.length > 0;
    },

    /** Running redrives by the time of their next page. */
    listRunning: async (limit: number): Promise<{ id: string; nextPageAt: Date }[]> => {
      const rows = await database.query<{ id: string; next_page_at: Date }>(
        `SELECT id, next_page_at FROM ${schema}.redrive WHERE state = 'running' ORDER BY next_page_at, id LIMIT $1`,
        [limit],
      );
      return rows.map((row) => ({ id: row.id, nextPageAt: row.next_page_at }));
    },

    /**
     * Redrives the next page: its items, its counts and its cursor change in one transaction that locks the row of the
     * redrive, so that two processes take two pages. Undefined: it is not due, or not running.
     */
    runPage: (id: string, now: Date): Promise<{ redriven: number; ended: boolean } | undefined> =>
      database.transaction(async (transaction) => {
        const [redrive] = await transaction.query<RedriveRecord>(
          `SELECT ${COLUMNS} FROM ${schema}.redrive
           WHERE id = $1 AND state = 'running' AND next_page_at <= $2 FOR UPDATE`,
          [id, now],
        );
        if (!redrive) return undefined;
        const left = Number(redrive.total) - Number(redrive.done);
        const most = Math.min(Math.ceil(redrive.rate * PAGE_SECONDS), left);
        const page = await pageOf(transaction, redrive, most);
        const { actor: by, reason } = redrive;
        // Locked in the order in which accept() locks rows, so that the two cannot deadlock. A row that
        // has moved on since the page was read is left as it is.
        const redriven = await transaction.query(
          `WITH locked AS (
             SELECT m.id FROM ${schema}.media m
             WHERE m.id = ANY($4::text[]) AND ${statusIs(redrive.filter.status)} AND ${CLOSED_AT} <= $5
             ORDER BY m.id FOR UPDATE)
           UPDATE ${schema}.media m ${setPending} FROM locked WHERE m.id = locked.id RETURNING m.id`,
          [
            now,
            closesAt(now),
            storableJson({ at: now, by, reason: reason ?? undefined, redrive: id }),
            page.map((row) => row.id),
            redrive.created_at,
          ],
        );
        const done = Number(redrive.done) + redriven.length;
        const isPhaseOver = page.length < most;
        const phase = redrive.phase + (isPhaseOver ? 1 : 0);
        const ended = done >= Number(redrive.total) || !phasesOf(redrive.filter)[phase];
        const last = isPhaseOver ? undefined : page.at(-1);
        await transaction.query(
          `UPDATE ${schema}.redrive
           SET done = $2, phase = $3, cursor_sent_at = $4::timestamptz, cursor_id = $5, next_page_at = $6, updated_at = $7,
               state = CASE WHEN $8 THEN 'done' ELSE state END, items = CASE WHEN NOT $8 THEN items END, ended_at = CASE WHEN $8 THEN $7::timestamptz END,
               skipped = CASE WHEN $8 THEN greatest(0, total - $2::bigint) ELSE 0 END
           WHERE id = $1`,
          [
            id,
            done,
            phase,
            last?.sent_at ?? null,
            last?.id ?? null,
            new Date(now.getTime() + (redriven.length * 1000) / redrive.rate),
            now,
            ended,
          ],
        );
        return { redriven: redriven.length, ended };
      }),
  };
}
