/** Reads rows: one by id, the ids of old ones, and the log of attempts of a row. */
import type { Database } from '../database/database.ts';
import { holdsOf, type MediaRecord, type MediaRow, toMediaRow } from './row.ts';

export interface Attempt {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly ms: number;
  readonly outcome: string;
  readonly code?: string;
  readonly errcode?: number;
  readonly bytes?: number;
}

export function createMediaReads(database: Database, schema: string) {
  return {
    get: async (id: string): Promise<MediaRow | undefined> => {
      const [record] = await database.query<MediaRecord>(
        `SELECT m.*, ${holdsOf(schema)} FROM ${schema}.media m WHERE id = $1`,
        [id],
      );
      return record && toMediaRow(record);
    },

    /** Items that are not there are left out. The order is not that of the ids. */
    getMany: async (ids: readonly string[]): Promise<MediaRow[]> => {
      if (ids.length === 0) return [];
      const records = await database.query<MediaRecord>(
        `SELECT m.*, ${holdsOf(schema)} FROM ${schema}.media m WHERE id = ANY ($1::text[])`,
        [[...ids]],
      );
      return records.map(toMediaRow);
    },

    /** Returns which of these items are archived now. */
    archivedAmong: async (ids: readonly string[]): Promise<string[]> => {
      const rows = await database.query<{ id: string }>(
        `SELECT id FROM ${schema}.media WHERE id = ANY($1::text[]) AND status = 'archived'`,
        [[...ids]],
      );
      return rows.map(({ id }) => id);
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
