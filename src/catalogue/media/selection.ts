/** What a filter selects, for a request that acts on all of it: how much it is, and which items. */
import type { Kind, Status } from '../../media.ts';
import type { Database } from '../database/database.ts';
import { withChildren } from '../erasure/media-erasure.ts';
import { conditionsOf, type MediaFilter } from './filter.ts';

export interface SelectionGroup {
  readonly account: string;
  readonly kind?: Kind;
  readonly status: Status;
  readonly count: number;
}

export interface Selection {
  readonly matched: number;
  /** The sizes of the stored files together. */
  readonly bytes: number;
  /** By account, kind and status, largest first; at most 500. */
  readonly groups: readonly SelectionGroup[];
}

interface GroupRecord {
  account: string;
  kind: Kind | null;
  status: Status;
  n: string;
  matched: string;
  bytes: string;
}

const GROUPS_LIMIT = 500;

export function createSelections(database: Database, schema: string) {
  const matching = (filter: MediaFilter, bind: (value: unknown) => string) =>
    `SELECT id, account FROM ${schema}.media WHERE ${['true', ...conditionsOf(filter, bind, schema)].join(' AND ')}`;

  return {
    /**
     * Counts what the filter matches now, without what is erased. `children`: also their thumbs and variants, which an
     * erasure removes with them.
     */
    preview: async (filter: MediaFilter, { children }: { children: boolean }): Promise<Selection> => {
      const values: unknown[] = [];
      const of = matching(filter, (value) => `$${values.push(value)}`);
      const rows = await database.query<GroupRecord>(
        `WITH RECURSIVE ${children ? withChildren(schema, of) : `family AS (${of})`}
         SELECT m.account, m.kind, m.status, count(*) AS n, sum(count(*)) OVER () AS matched,
                sum(coalesce(sum(m.size_bytes), 0)) OVER () AS bytes
         FROM ${schema}.media m JOIN family USING (id) WHERE m.status <> 'erased'
         GROUP BY 1, 2, 3 ORDER BY n DESC, 1, 2, 3 LIMIT ${GROUPS_LIMIT}`,
        values,
      );
      return {
        matched: Number(rows[0]?.matched ?? 0),
        bytes: Number(rows[0]?.bytes ?? 0),
        groups: rows.map(({ account, kind, status, n }) => ({
          account,
          ...(kind ? { kind } : {}),
          status,
          count: Number(n),
        })),
      };
    },

    /** What the filter matches and is not erased, counted up to `limit` items. */
    total: async (filter: MediaFilter, limit: number): Promise<{ matched: number; bytes: number }> => {
      const values: unknown[] = [];
      const conditions = conditionsOf(filter, (value) => `$${values.push(value)}`, schema);
      const [row] = await database.query<{ matched: string; bytes: string }>(
        `SELECT count(*) AS matched, coalesce(sum(size_bytes), 0) AS bytes FROM (
           SELECT size_bytes FROM ${schema}.media
           WHERE ${[`status <> 'erased'`, ...conditions].join(' AND ')} LIMIT ${limit}) AS matching`,
        values,
      );
      return { matched: Number(row?.matched ?? 0), bytes: Number(row?.bytes ?? 0) };
    },

    /** The items that the filter matches, by account; at most `limit` and in no particular order. */
    ids: async (filter: MediaFilter, limit: number): Promise<Map<string, string[]>> => {
      const values: unknown[] = [];
      const of = matching(filter, (value) => `$${values.push(value)}`);
      const rows = await database.query<{ id: string; account: string }>(
        `${of} AND status <> 'erased' LIMIT ${limit}`,
        values,
      );
      const byAccount = new Map<string, string[]>();
      for (const { id, account } of rows) byAccount.set(account, [...(byAccount.get(account) ?? []), id]);
      return byAccount;
    },

    /** The accounts of the items that the filter matches; at most `limit`. */
    accounts: async (filter: MediaFilter, limit: number): Promise<string[]> => {
      const values: unknown[] = [];
      const of = matching(filter, (value) => `$${values.push(value)}`);
      const rows = await database.query<{ account: string }>(
        `SELECT DISTINCT account FROM (${of}) AS given ORDER BY account LIMIT ${limit}`,
        values,
      );
      return rows.map(({ account }) => account);
    },
  };
}
