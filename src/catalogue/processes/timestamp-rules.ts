/**
 * Corrects timestamps that a wrong clock wrote. A hold, a lease or a planned time further ahead of the database's clock
 * than its kind can last was written by a wrong clock: it is set to now, which ends it. So nothing outlives the longest
 * duration of its kind, whichever process wrote it.
 */
import type { Lifetimes } from '../../runtime/clock.ts';
import type { Database } from '../database/database.ts';

export interface TimestampRule {
  readonly table: string;
  readonly column: string;
  /** How far ahead of now a right clock writes it at most. */
  readonly longestMs: number;
  /** The rows that the rule concerns; default: all. */
  readonly where?: string;
  /** What is set; default: the column to now. `$now` stands for the database's clock. */
  readonly set?: string;
}

export interface CorrectedTimestamps {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Clocks differ by some seconds where nothing is wrong. */
const TOLERANCE_MS = 10 * SECOND_MS;
/** The clock of a producer's machine may be wrong by this. */
export const PRODUCER_CLOCK_TOLERANCE_MS = 10 * MINUTE_MS;
/** Rows in one statement; the rest is corrected by the next call. */
const LIMIT = 1_000;

/**
 * A rule for every column that holds a timestamp; {@link TIMESTAMPS_WITHOUT_RULE} has the others. A hold by hand has no
 * longest duration.
 */
export function timestampRules({ lifetimeMs, closingMs, scale }: Lifetimes): readonly TimestampRule[] {
  const past = (table: string, ...columns: string[]): TimestampRule[] =>
    columns.map((column) => ({ table, column, longestMs: 0 }));
  const heldFor = (classes: string, longestMs: number): TimestampRule => ({
    table: 'account',
    column: 'held_until',
    longestMs,
    where: `hold ->> 'code' IS DISTINCT FROM 'held_by_hand' AND ${classes}`,
  });
  return [
    heldFor(`hold ->> 'class' = 'account'`, scale(7 * MINUTE_MS)),
    // Retry-After is heeded up to an hour; WeCom's customer service is left alone for an hour and a quarter.
    heldFor(`hold ->> 'class' = 'minute_limit'`, 1.25 * HOUR_MS + scale(2 * MINUTE_MS)),
    heldFor('true', scale(DAY_MS + 10 * MINUTE_MS)),
    ...past('account', 'last_callback_at', 'held_since', 'clock_skew_at'),
    { table: 'account', column: 'probe_until', longestMs: 30 * SECOND_MS },
    { table: 'account', column: 'token_lease_until', longestMs: 30 * SECOND_MS },
    // When it really ends is unknown: a new token is requested.
    {
      table: 'account',
      column: 'token_issued_at',
      longestMs: 0,
      set: 'token_issued_at = $now, token_expires_at = $now',
    },
    { table: 'account', column: 'token_expires_at', longestMs: DAY_MS },
    { table: 'lease', column: 'until', longestMs: 30 * SECOND_MS, where: `name = 'sweep'` },
    { table: 'lease', column: 'until', longestMs: 2 * MINUTE_MS, where: `name NOT IN ('sweep', 'recount')` },
    { table: 'lease', column: 'until', longestMs: DAY_MS, where: `name = 'recount'` },
    { table: 'store_hold', column: 'until', longestMs: scale(5 * MINUTE_MS) },
    { table: 'store_hold', column: 'probe_until', longestMs: 15 * SECOND_MS },
    {
      table: 'store_hold',
      column: 'last_probe_success_at',
      longestMs: 0,
      set: 'last_probe_success_at = NULL',
    },
    ...past('store_hold', 'since', 'released_at'),
    { table: 'kf_cursor', column: 'not_before', longestMs: 1.25 * HOUR_MS },
    ...past('kf_cursor', 'requested_at', 'read_at', 'failing_since'),
    { table: 'redrive', column: 'next_page_at', longestMs: MINUTE_MS },
    ...past('redrive', 'created_at', 'available_after'),
    { table: 'erasure', column: 'due_at', longestMs: MINUTE_MS },
    ...past('erasure', 'created_at'),
    { table: 'alert', column: 'claimed_until', longestMs: 2 * MINUTE_MS },
    ...past('alert', 'since', 'seen_at', 'last_sent_at'),
    ...past('verification', 'created_at'),
    ...past('acknowledgement', 'until'),
    ...past('encrypted_secret', 'updated_at'),
    ...past('process', 'heartbeat_at', 'left_at', 'started_at'),
    // The longest wait before an attempt, with its jitter; Retry-After is heeded for less.
    { table: 'webhook_delivery', column: 'due_at', longestMs: 1.25 * DAY_MS, where: `state = 'pending'` },
    {
      table: 'webhook_delivery',
      column: 'leased_until',
      longestMs: MINUTE_MS,
      where: 'leased_until IS NOT NULL',
      set: 'leased_until = $now, due_at = CASE WHEN due_at IS NOT NULL THEN $now END',
    },
    { table: 'webhook_endpoint', column: 'previous_secret_until', longestMs: DAY_MS + MINUTE_MS },
    ...past('webhook_endpoint', 'failing_since'),
    {
      table: 'media',
      column: 'next_attempt_at',
      // An eighth of the time left; past the deadline, until the row may be closed and as long again.
      longestMs: Math.max(lifetimeMs / 8, 2 * closingMs) + scale(10 * MINUTE_MS),
      where: 'stage = 0',
    },
    { table: 'media', column: 'next_attempt_at', longestMs: 2 * MINUTE_MS, where: 'stage = 2' },
    { table: 'media', column: 'claimed_at', longestMs: 0, where: 'stage = 2' },
    { table: 'media', column: 'erase_due_at', longestMs: DAY_MS, where: 'erase_due_at IS NOT NULL' },
    {
      table: 'media',
      column: 'updated_at',
      longestMs: 0,
      set: `updated_at = $now, created_at = least(created_at, $now), closed_at = least(closed_at, $now),
        archived_at = least(archived_at, $now), erased_at = least(erased_at, $now),
        erasing_since = least(erasing_since, $now), running_since = least(running_since, $now)`,
    },
    {
      table: 'media',
      column: 'sent_at',
      longestMs: PRODUCER_CLOCK_TOLERANCE_MS,
      set: `sent_at = $now, expires_at = $now + (expires_at - sent_at), closes_at = $now + (closes_at - sent_at)`,
    },
  ];
}

/** Columns of the schema without a rule, each with the reason. A test compares both lists with the schema. */
export const TIMESTAMPS_WITHOUT_RULE: Readonly<Record<string, string>> = {
  'media.created_at': 'corrected with updated_at',
  'media.closed_at': 'corrected with updated_at',
  'media.archived_at': 'corrected with updated_at',
  'media.erased_at': 'corrected with updated_at',
  'media.erasing_since': 'corrected with updated_at',
  'media.running_since': 'corrected with updated_at; only shown',
  'media.expires_at': 'corrected with sent_at',
  'media.closes_at': 'corrected with sent_at',
  'media.at_risk_for': 'a copy of expires_at; only compared with it',
  'webhook_endpoint.disabled_at': 'whether it is set counts, not when',
  'webhook_endpoint.last_success_at': 'only shown',
  'webhook_endpoint.created_at': 'only shown',
  'webhook_endpoint.updated_at': 'only shown',
  'webhook_endpoint.deleted_at': 'whether it is set counts, not when',
  'webhook_delivery.at': 'that of the event',
  'webhook_delivery.attempted_at': 'only shown',
  'webhook_delivery.created_at': 'only shown',
  'webhook_delivery.ended_at':
    'EVENT_RETENTION after it the row is deleted; later by as much as the clock was wrong',
  'event_outbox.at': 'a record; by the clock of the database',
  'event.at': 'a record; by the clock of the database',
  'event.sequenced_at': 'a record; by the clock of the database',
  'event_head.sequenced_at': 'by the clock of the database',
  'event_head.slot_since': 'by the clock of the database',
  'attempt.started_at': 'a record; nothing waits for it',
  'attempt.ended_at': 'a record; nothing waits for it',
  'audit_log.at': 'a record that is never changed; listed in the order of seq',
  'migration.applied_at': 'a record',
  'history_minute.at': 'never written ahead of the clock of the database',
  'history_hour.at': 'never written ahead of the clock of the database',
  'revoked_credential.expires_at': 'a row that is kept too long changes nothing',
  'redrive.cursor_sent_at': 'a position among sent_at of the items',
  'redrive.updated_at': 'only shown',
  'redrive.ended_at': 'only shown',
  'erasure.marked_at': 'whether it is set counts, not when',
  'erasure.finished_at': 'whether it is set counts, not when',
  'alert.ended_at': 'whether it is set counts, not when',
  'alert.end_sent_at': 'a month after it the row is deleted; later by as much as the clock was wrong',
  'verification.started_at': 'only shown',
  'verification.updated_at': 'only shown',
  'verification.ended_at': 'only shown',
  'verification_finding.at': 'only shown',
};

export function createTimestamps(database: Database, schema: string, lifetimes: Lifetimes) {
  const rules = timestampRules(lifetimes);
  const conditionOf = ({ column, longestMs, where = 'true' }: TimestampRule, now: string) =>
    `${column} > ${now} + interval '${Math.ceil(longestMs + TOLERANCE_MS)} milliseconds' AND ${where}`;
  // One round trip finds the rules that have rows to correct: nearly always none.
  const findRows = `SELECT clock_timestamp() AS now, ARRAY[${rules
    .map(
      (rule) =>
        `EXISTS (SELECT FROM ${schema}.${rule.table} WHERE ${conditionOf(rule, 'clock_timestamp()')})`,
    )
    .join(', ')}] AS found`;

  async function correct(rule: TimestampRule, now: Date): Promise<number> {
    const { table, column, set = `${column} = $now` } = rule;
    // This table is large: its rows are corrected in bounded steps, past those that others have locked.
    const limit =
      table === 'media'
        ? `id IN (SELECT id FROM ${schema}.media WHERE ${conditionOf(rule, '$1::timestamptz')}
             LIMIT ${LIMIT} FOR UPDATE SKIP LOCKED)`
        : conditionOf(rule, '$1::timestamptz');
    const rows = await database.query(
      `UPDATE ${schema}.${table} SET ${set.replaceAll('$now', '$1::timestamptz')} WHERE ${limit} RETURNING 1`,
      [now],
    );
    return rows.length;
  }

  return {
    /** The time of the database's clock. */
    now: async (): Promise<Date> => {
      const [row] = await database.query<{ now: Date }>('SELECT clock_timestamp() AS now');
      return row!.now;
    },

    /** Corrects every timestamp that is too far ahead of the database's clock. Many processes may call it at once. */
    correct: async (): Promise<CorrectedTimestamps[]> => {
      const [row] = await database.query<{ now: Date; found: boolean[] }>(findRows);
      const corrected: CorrectedTimestamps[] = [];
      for (const [index, rule] of rules.entries()) {
        if (!row!.found[index]) continue;
        const rows = await correct(rule, row!.now);
        if (rows > 0) corrected.push({ table: rule.table, column: rule.column, rows });
      }
      return corrected;
    },
  };
}
