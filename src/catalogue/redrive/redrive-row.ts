/** The row of a redrive, as SQL gives it and as the program uses it. */
import type { MediaFilter } from '../media/filter.ts';
import type { RedriveFilter } from './filter.ts';

export interface Redrive {
  readonly id: string;
  readonly state: 'running' | 'stopped' | 'done';
  /** Items that it made pending. */
  readonly done: number;
  /** Known at the end: items that were archived, erased or pending when their page came. */
  readonly skipped: number;
  readonly total: number;
  readonly filter: RedriveFilter;
  /** Items per second. */
  readonly rate: number;
  readonly actor: string;
  readonly reason?: string;
  readonly askedAt: Date;
  readonly endedAt?: Date;
}

export interface RedriveRequest {
  readonly filter: RedriveFilter;
  /**
   * The part of the filter that names persons or items. It is resolved when the redrive is created: the row keeps the
   * ids of the items, and only until the redrive ends.
   */
  readonly chosen?: MediaFilter | undefined;
  readonly limit?: number | undefined;
  /** Items per second. */
  readonly rate: number;
  /** The name of the API key. */
  readonly actor: string;
  readonly reason?: string | undefined;
}

export interface RedriveRecord {
  id: string;
  state: Redrive['state'];
  filter: RedriveFilter;
  /** Whether `filter` concerns only the items in the column `items`. */
  has_items: boolean;
  rate: number;
  actor: string;
  reason: string | null;
  total: string;
  done: string;
  skipped: string;
  created_at: Date;
  available_after: Date;
  phase: number;
  /** As text: a Date would lose the microseconds that sent_at of another producer may have. */
  cursor_sent_at: string | null;
  cursor_id: string | null;
  ended_at: Date | null;
}

/** Without `items`, of which there may be many. `cursor_sent_at` as text: see {@link RedriveRecord}. */
export const COLUMNS = `id, state, filter, items IS NOT NULL AS has_items, rate, actor, reason, total, done, skipped,
  created_at, available_after, phase, cursor_sent_at::text AS cursor_sent_at, cursor_id, ended_at`;

export const toRedrive = (record: RedriveRecord): Redrive => ({
  id: record.id,
  state: record.state,
  done: Number(record.done),
  skipped: Number(record.skipped),
  total: Number(record.total),
  filter: record.filter,
  rate: record.rate,
  actor: record.actor,
  ...(record.reason === null ? {} : { reason: record.reason }),
  askedAt: record.created_at,
  ...(record.ended_at ? { endedAt: record.ended_at } : {}),
});

/** The most items of a redrive that names persons or items: its row keeps their ids. */
export const CHOSEN_LIMIT = 10_000;

/** The filter names persons or items, and matches more than {@link CHOSEN_LIMIT}. */
export class TooManyChosenError extends Error {
  override readonly name = 'TooManyChosenError';
}
