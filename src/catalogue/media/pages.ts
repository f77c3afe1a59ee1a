/** Pages of media items: by filter and search, in both directions, with keyset pagination and a bounded count. */
import type { Status } from '../../media.ts';
import type { Database } from '../database/database.ts';
import { decodeCursor, encodeCursor, type Position } from './cursor.ts';
import { conditionsWithoutSearch, idConditionsOf, type MediaFilter, searchOf } from './filter.ts';
import { holdsOf, type MediaRecord, type MediaRow, toMediaRow } from './row.ts';
import { type Bind, MORE_MEMORY, ofAccounts, type Search, wordsByIndex, wordsByText } from './search.ts';

export type Sort = 'sentAt' | 'updatedAt';

export interface PageRequest {
  readonly sort: Sort;
  readonly limit: number;
  readonly cursor?: string;
  readonly withCount?: boolean;
}

export interface MediaPage {
  readonly items: MediaRow[];
  /** Absent on the last page, but not by updatedAt: rows that change later come after it. */
  readonly nextCursor?: string;
  /** Absent on the first page. */
  readonly previousCursor?: string;
  /** How many items match, on all pages together: exact up to {@link COUNT_LIMIT}. */
  readonly count?: { readonly value: number; readonly isExact: boolean };
}

/** Counting more would take as long as there are rows. */
export const COUNT_LIMIT = 10_000;
/**
 * A search with more matches than COUNT_LIMIT reads rows with a text in the order of the list, because sorting all
 * matches takes too long. It stops after so many rows (about 50 ms): the matches may all be old.
 */
const WALK_LIMIT = 20_000;

type PageRecord = MediaRecord & { micros: string };
/** A row of the page, or only NULLs, and the number of all. */
type NumberedRecord = PageRecord & { number: string };

const split = (rows: readonly NumberedRecord[]): { records: PageRecord[]; number: number } => ({
  records: rows.filter(({ id }) => id !== null),
  number: Number(rows[0]?.number),
});

/** A statement under construction: its parameters, and the order in which it reads rows. */
function createStatement(schema: string, request: PageRequest, position: Position | undefined) {
  const values: unknown[] = [];
  const bind: Bind = (value) => `$${values.push(value)}`;
  const column = request.sort === 'sentAt' ? 'sent_at' : 'updated_at';
  const isDescending = (request.sort === 'sentAt') === (position?.side !== 'before');
  const direction = isDescending ? 'DESC' : 'ASC';
  const limit = request.limit + 1;

  /** What every branch must meet. Erased rows have no sent_at; they are listed by updatedAt only. */
  function ground(filter: MediaFilter): string[] {
    const conditions = conditionsWithoutSearch(filter, bind);
    if (request.sort === 'sentAt') conditions.push('sent_at IS NOT NULL');
    return conditions.length > 0 ? conditions : ['true'];
  }
  /** Rows on the side of the cursor on which the page is. */
  function beyond(time = column): string[] {
    if (!position) return [];
    const at = `timestamptz 'epoch' + ${bind(position.atMicros)}::bigint * interval '1 microsecond'`;
    return [`(${time}, id) ${isDescending ? '<' : '>'} (${at}, ${bind(position.id)})`];
  }
  const select = (conditions: readonly string[], extra = '') =>
    `SELECT id, ${column} AS at${extra} FROM ${schema}.media WHERE ${conditions.join(' AND ')}`;
  const ordered = (by: string, most = limit) => `ORDER BY ${by} ${direction}, id ${direction} LIMIT ${most}`;

  return {
    values,
    bind,
    column,
    ground,
    beyond,
    select,
    /** The first rows that meet the conditions, in parentheses. */
    first: (conditions: readonly string[]) => `(${select(conditions)} ${ordered(column)})`,
    ordered,
    /** One number beside each row of the page, and alone where the page is empty. */
    withNumber: (rows: string, number: string) =>
      `SELECT paged.*, number.number FROM (${number}) AS number LEFT JOIN (${rows}) AS paged ON true
       ORDER BY paged.micros ${direction}, paged.id ${direction}`,
    /** The rows of a page whose ids and times `source` selects. */
    rows: (source: string) => `
      SELECT m.*, ${holdsOf(schema)}, (extract(epoch FROM page.at) * 1000000)::bigint AS micros
      FROM (SELECT id, at FROM ${source} AS merged ${ordered('at')}) AS page JOIN ${schema}.media m ON m.id = page.id
      ORDER BY page.at ${direction}, page.id ${direction}`,
  };
}
type Statement = ReturnType<typeof createStatement>;

const isPoint = ({ ids, mediaIds, msgIds, openId, sha256 }: MediaFilter): boolean =>
  [ids, mediaIds, msgIds, openId, sha256].some((one) => one !== undefined);

/**
 * Splits a filter into filters that exclude each other and have an index in the order of the list each. For several
 * values at once no index gives the order, and Postgres would sort all rows or read rows that do not match.
 */
function branchesOf(filter: MediaFilter, sort: Sort): MediaFilter[] {
  const { kinds } = filter;
  // By updatedAt there is one index for all.
  if (sort === 'updatedAt') return [filter];
  const statuses = filter.statuses?.filter((status) => status !== 'erased');
  if (statuses?.length === 0) return [];
  // A filter of ids has few rows.
  if (isPoint(filter)) return [filter];
  const closed: readonly Status[] = ['archived', 'dead', 'expired'];
  const groups: (readonly Status[] | undefined)[] =
    statuses?.map((status) => [status]) ?? (kinds ? [['pending'], closed] : [undefined]);
  return groups.flatMap((group) =>
    (kinds ? [...new Set(kinds)].map((kind) => [kind]) : [undefined]).map((kind) => ({
      ...filter,
      ...(group ? { statuses: group } : {}),
      ...(kind ? { kinds: kind } : {}),
    })),
  );
}

/** One branch as SQL. Of several accounts each gives its first rows: there is no index in order for all of them. */
function branchSql(statement: Statement, filter: MediaFilter, sort: Sort): string {
  const { accounts, ...others } = filter;
  if (!accounts || accounts.length < 2 || isPoint(filter) || sort === 'updatedAt') {
    return statement.first([...statement.ground(filter), ...statement.beyond()]);
  }
  const ground = [...statement.ground(others), ...statement.beyond()];
  const first = statement.first([...ground, 'account = named.account']);
  return `(SELECT of_account.id, of_account.at
    FROM unnest(${statement.bind([...accounts])}::text[]) AS named (account) CROSS JOIN LATERAL ${first} AS of_account)`;
}

export function createMediaPages(database: Database, schema: string) {
  async function list(filter: MediaFilter, request: PageRequest): Promise<MediaPage> {
    const position = request.cursor === undefined ? undefined : decodeCursor(request.cursor, request.sort);
    const search = searchOf(filter);
    const { records, count } = search
      ? await findPage(filter, search, request, position)
      : {
          records: await filteredPage(filter, request, position),
          count: request.withCount ? await countOf(filter, request) : undefined,
        };
    // The rows before the cursor are gone: their place is the beginning of the list.
    if (records.length === 0 && position?.side === 'before') {
      const { cursor: _, ...fromTheStart } = request;
      return await list(filter, fromTheStart);
    }
    return {
      ...toPage(records, request, position),
      ...(request.withCount && count !== undefined
        ? { count: { value: Math.min(count, COUNT_LIMIT), isExact: count <= COUNT_LIMIT } }
        : {}),
    };
  }

  async function filteredPage(filter: MediaFilter, request: PageRequest, position: Position | undefined) {
    const branches = branchesOf(filter, request.sort);
    if (branches.length === 0) return [];
    const statement = createStatement(schema, request, position);
    const parts = branches.map((branch) => branchSql(statement, branch, request.sort));
    return await database.query<PageRecord>(
      statement.rows(parts.length === 1 ? parts[0]! : `(${parts.join(' UNION ALL ')})`),
      statement.values,
    );
  }

  /** At most one more than {@link COUNT_LIMIT}. */
  async function countOf(filter: MediaFilter, request: PageRequest): Promise<number> {
    const branches = branchesOf(filter, request.sort);
    if (branches.length === 0) return 0;
    const statement = createStatement(schema, request, undefined);
    const limit = COUNT_LIMIT + 1;
    const parts = branches.map((branch) => {
      const { labels, accounts } = branch;
      const conditions = [
        ...statement.ground(branch),
        ...(labels ? [MORE_MEMORY] : []),
        ...(labels && accounts ? [ofAccounts(accounts, statement.bind)] : []),
      ].join(' AND ');
      return `(SELECT FROM ${schema}.media WHERE ${conditions} LIMIT ${limit})`;
    });
    const [row] = await database.query<{ n: string }>(
      `SELECT count(*) AS n FROM (SELECT FROM (${parts.join(' UNION ALL ')}) AS found LIMIT ${limit}) AS counted`,
      statement.values,
    );
    return Number(row?.n);
  }

  /** Nearly every search has few matches: then this one statement reads all of them by their indexes. */
  async function findPage(
    filter: MediaFilter,
    search: Search,
    request: PageRequest,
    position: Position | undefined,
  ): Promise<{ records: PageRecord[]; count: number }> {
    const statement = createStatement(schema, request, position);
    const { bind, select } = statement;
    const ground = statement.ground(filter);
    const ways = [...idConditionsOf(search, bind), wordsByIndex(search, filter.accounts, bind, schema)];
    const parts = ways.map((way) => `(${select([way, ...ground])} LIMIT ${COUNT_LIMIT + 1})`);
    const [beyond] = statement.beyond('at');
    const onPage = statement.rows(beyond ? `(SELECT * FROM found WHERE ${beyond})` : 'found');
    const rows = await database.query<NumberedRecord>(
      `WITH found AS MATERIALIZED (${parts.join(' UNION ')})
       ${statement.withNumber(onPage, 'SELECT count(*) AS number FROM found')}`,
      statement.values,
    );
    const { records, number: count } = split(rows);
    if (count <= COUNT_LIMIT) return { records, count };
    return { records: await manyFoundPage(filter, search, request, position), count };
  }

  /** A page of a search with many matches, each part of which is read in the order of the list. */
  async function manyFoundPage(
    filter: MediaFilter,
    search: Search,
    request: PageRequest,
    position: Position | undefined,
  ): Promise<PageRecord[]> {
    const read = async (hitsOf: (statement: Statement, ground: readonly string[]) => string) => {
      const statement = createStatement(schema, request, position);
      const ground = [...statement.ground(filter), ...statement.beyond()];
      const parts = idConditionsOf(search, statement.bind).map((one) => statement.first([one, ...ground]));
      const onPage = statement.rows(`(${parts.join(' UNION ')} UNION SELECT id, at FROM hits)`);
      const rows = await database.query<NumberedRecord>(
        `WITH hits AS MATERIALIZED (SELECT id, at FROM (${hitsOf(statement, ground)}) AS hit ${statement.ordered('at')})
         ${statement.withNumber(onPage, 'SELECT count(*) AS number FROM hits')}`,
        statement.values,
      );
      return split(rows);
    };
    const walked = await read((statement, ground) => {
      const { select, ordered, column } = statement;
      const inOrder = `${select(['search_text IS NOT NULL', ...ground], ', search_text')} ${ordered(column, WALK_LIMIT)}`;
      return `SELECT id, at FROM (${inOrder}) AS walked WHERE ${wordsByText(search, statement.bind)}`;
    });
    // With fewer hits than a page holds, rows beyond the walk may be missing from it.
    if (walked.number > request.limit) return walked.records;
    // OFFSET 0: the planner then reads all matches by the index instead of walking again.
    const sorted = await read(
      ({ select, bind }, ground) =>
        `${select([wordsByIndex(search, filter.accounts, bind, schema), ...ground])} OFFSET 0`,
    );
    return sorted.records;
  }

  return { list };
}

/** Before every other id. */
const FIRST_ID = `m_${'0'.repeat(32)}`;

function toPage(
  records: readonly PageRecord[],
  { limit, sort }: PageRequest,
  position: Position | undefined,
): Pick<MediaPage, 'items' | 'nextCursor' | 'previousCursor'> {
  const isBackward = position?.side === 'before';
  const hasMore = records.length > limit;
  const onPage = records.slice(0, limit);
  if (isBackward) onPage.reverse();
  const beside = (side: Position['side'], row: PageRecord | undefined): string | undefined => {
    if (row) return encodeCursor({ side, atMicros: Number(row.micros), id: row.id }, sort);
    return position && encodeCursor({ ...position, side }, sort);
  };
  const isEndless = sort === 'updatedAt';
  const start = isEndless ? encodeCursor({ side: 'after', atMicros: 0, id: FIRST_ID }, sort) : undefined;
  const next = isBackward || hasMore || isEndless ? (beside('after', onPage.at(-1)) ?? start) : undefined;
  // Beside an empty page by updatedAt there is no row to go back from.
  const isBeyondStart = isBackward ? hasMore : position && (!isEndless || onPage.length > 0);
  const previous = isBeyondStart ? beside('before', onPage[0]) : undefined;
  return {
    items: onPage.map(toMediaRow),
    ...(next ? { nextCursor: next } : {}),
    ...(previous ? { previousCursor: previous } : {}),
  };
}
