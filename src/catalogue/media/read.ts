/** Reads rows: one by id, many by filter with keyset pagination, and the log of attempts of a row. */
import type { Kind, Status } from '../../media.ts';
import { storableJson } from '../../storable.ts';
import type { Database } from '../database/database.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { type MediaRecord, type MediaRow, toMediaRow } from './row.ts';

export interface MediaFilter {
  readonly accounts?: readonly string[];
  readonly ids?: readonly string[];
  readonly mediaIds?: readonly string[];
  readonly msgIds?: readonly string[];
  readonly openId?: string;
  readonly kinds?: readonly Kind[];
  readonly statuses?: readonly Status[];
  readonly sha256?: string;
  readonly errcodes?: readonly number[];
  readonly sentFrom?: Date;
  readonly sentTo?: Date;
  readonly expiresBefore?: Date;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface MediaPage {
  readonly items: MediaRow[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

export interface Attempt {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly ms: number;
  readonly outcome: string;
  readonly code?: string;
  readonly errcode?: number;
  readonly bytes?: number;
}

export type Sort = 'sentAt' | 'updatedAt';

/** Turns a filter into SQL conditions; every value is a parameter. */
function conditionsOf(filter: MediaFilter, bind: (value: unknown) => string): string[] {
  const conditions: string[] = [];
  const any = (column: string, values: readonly unknown[] | undefined, type = 'text') => {
    if (values?.length === 1) conditions.push(`${column} = ${bind(values[0])}`);
    else if (values) conditions.push(`${column} = ANY(${bind([...values])}::${type}[])`);
  };
  any('account', filter.accounts);
  any('id', filter.ids);
  any('media_id', filter.mediaIds);
  any('msg_id', filter.msgIds);
  any('kind', filter.kinds);
  any('status', filter.statuses);
  any('errcode', filter.errcodes, 'integer');
  if (filter.openId !== undefined) conditions.push(`open_id = ${bind(filter.openId)}`);
  if (filter.sha256 !== undefined) conditions.push(`sha256 = ${bind(filter.sha256)}`);
  if (filter.sentFrom) conditions.push(`sent_at >= ${bind(filter.sentFrom)}`);
  if (filter.sentTo) conditions.push(`sent_at < ${bind(filter.sentTo)}`);
  if (filter.expiresBefore) {
    conditions.push(`expires_at < ${bind(filter.expiresBefore)}`);
    // Only pending rows have a deadline; the condition also makes the index media_backlog usable.
    if (!filter.statuses) conditions.push(`status = 'pending'`);
  }
  // As one object: the index media_labels holds pairs of name and value.
  if (filter.labels && Object.keys(filter.labels).length > 0) {
    conditions.push(`labels @> ${bind(storableJson(filter.labels))}::jsonb`);
  }
  return conditions;
}

export function createMediaReads(database: Database, schema: string) {
  // A row that was never claimed does not hold the reason that its account, or the store, is held.
  const media = `SELECT *, (SELECT a.held_until FROM ${schema}.account a WHERE a.account = media.account) AS held_until,
      (SELECT until FROM ${schema}.store_hold WHERE since IS NOT NULL) AS store_held_until
    FROM ${schema}.media`;
  return {
    get: async (id: string): Promise<MediaRow | undefined> => {
      const [record] = await database.query<MediaRecord>(`${media} WHERE id = $1`, [id]);
      return record && toMediaRow(record);
    },

    /** By sentAt newest first; by updatedAt oldest first, for pollers. Throws RangeError for a cursor of another list. */
    list: async (
      filter: MediaFilter,
      page: { sort: Sort; limit: number; cursor?: string },
    ): Promise<MediaPage> => {
      const values: unknown[] = [];
      const bind = (value: unknown) => `$${values.push(value)}`;
      const conditions = conditionsOf(filter, bind);
      const bySent = page.sort === 'sentAt';
      const column = bySent ? 'sent_at' : 'updated_at';
      // Erased rows have no sent_at; they are listed by updatedAt only.
      if (bySent) conditions.push('sent_at IS NOT NULL');
      if (page.cursor !== undefined) {
        const { atMicros, id } = decodeCursor(page.cursor, page.sort);
        const at = `timestamptz 'epoch' + ${bind(atMicros)}::bigint * interval '1 microsecond'`;
        conditions.push(`(${column}, id) ${bySent ? '<' : '>'} (${at}, ${bind(id)})`);
      }
      const direction = bySent ? 'DESC' : 'ASC';
      const micros = `(extract(epoch FROM ${column}) * 1000000)::bigint AS micros`;
      const records = await database.query<MediaRecord & { micros: string }>(
        `SELECT page.*, ${micros} FROM (${media} ${conditions.length ? `WHERE ${conditions.join(' AND ')}` : ''}
         ORDER BY ${column} ${direction}, id ${direction} LIMIT ${bind(page.limit + 1)}) AS page`,
        values,
      );
      const items = records.slice(0, page.limit);
      const last = items.at(-1);
      return {
        items: items.map(toMediaRow),
        ...(records.length > page.limit && last
          ? { nextCursor: encodeCursor(Number(last.micros), last.id, page.sort) }
          : {}),
      };
    },

    /** Closed items whose message is older than `before`, oldest first; by the index media_sent, backwards. */
    listSentBefore: async (before: Date, limit: number): Promise<string[]> => {
      const rows = await database.query<{ id: string }>(
        `SELECT id FROM ${schema}.media WHERE sent_at < $1 AND status IN ('archived', 'dead', 'expired')
         ORDER BY sent_at, id LIMIT $2`,
        [before, limit],
      );
      return rows.map(({ id }) => id);
    },

    /** The last 200 attempts of an item, oldest first. */
    attempts: async (id: string): Promise<Attempt[]> => {
      const rows = await database.query<{
        started_at: Date;
        ended_at: Date;
        outcome: string;
        code: string | null;
        errcode: number | null;
        bytes: string | null;
      }>(`SELECT * FROM ${schema}.attempt WHERE media = $1 ORDER BY started_at DESC LIMIT 200`, [id]);
      return rows.reverse().map((row) => ({
        startedAt: row.started_at,
        endedAt: row.ended_at,
        ms: row.ended_at.getTime() - row.started_at.getTime(),
        outcome: row.outcome,
        ...(row.code === null ? {} : { code: row.code }),
        ...(row.errcode === null ? {} : { errcode: row.errcode }),
        ...(row.bytes === null ? {} : { bytes: Number(row.bytes) }),
      }));
    },
  };
}
