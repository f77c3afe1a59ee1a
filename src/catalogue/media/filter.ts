/** Which media items a caller asks for, as SQL conditions. */
import type { FailureClass } from '../../failures.ts';
import type { Kind, Status } from '../../media.ts';
import { storableJson } from '../../storable.ts';
import { type Bind, parseSearch, type Search, wordsByIndex } from './search.ts';

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
  readonly codes?: readonly string[];
  readonly classes?: readonly FailureClass[];
  /** When it became dead or expired. */
  readonly failedFrom?: Date;
  readonly failedTo?: Date;
  readonly sentFrom?: Date;
  readonly sentTo?: Date;
  /** Of pending items: the deadline. */
  readonly expiresFrom?: Date;
  readonly expiresBefore?: Date;
  /** When the row changed last. */
  readonly updatedFrom?: Date;
  /** The items to which covers and variants belong. */
  readonly parentIds?: readonly string[];
  /** Leaves out covers that belong to a video. */
  readonly withoutCovers?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** The text of a search box: an id of any kind, the beginning of a digest, or words. */
  readonly q?: string;
}

/** The search of a filter. Throws RangeError where {@link parseSearch} finds nothing to search for. */
export function searchOf({ q }: Pick<MediaFilter, 'q'>): Search | undefined {
  if (q === undefined) return undefined;
  const search = parseSearch(q);
  if (!search) throw new RangeError('a search needs two characters beside each other');
  return search;
}

/**
 * The conditions of the ids that a search may be, each with an index of its own. A row that meets one of them is found,
 * as is one that has all words.
 */
export function idConditionsOf(search: Search, bind: Bind): string[] {
  const exact = bind([...search.exact]);
  const { id, mediaIds, sha256 } = search;
  return [
    ...(id ? [`id = ${bind(id)}`] : []),
    `media_id = ANY (${bind([...mediaIds])}::text[])`,
    `msg_id = ANY (${exact}::text[])`,
    `open_id = ANY (${exact}::text[])`,
    ...(sha256 ? [`sha256 >= ${bind(sha256.from)} AND sha256 < ${bind(sha256.to)}`] : []),
  ];
}

/** Returns the filter as SQL conditions, of which all must hold. Every value is a parameter. */
export function conditionsOf(filter: MediaFilter, bind: Bind, schema: string): string[] {
  const conditions = conditionsWithoutSearch(filter, bind);
  const search = searchOf(filter);
  if (search) {
    const ways = [...idConditionsOf(search, bind), wordsByIndex(search, filter.accounts, bind, schema)];
    conditions.push(`(${ways.map((way) => `(${way})`).join(' OR ')})`);
  }
  return conditions;
}

/** As {@link conditionsOf}, without `q`. */
export function conditionsWithoutSearch(filter: MediaFilter, bind: Bind): string[] {
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
  any('failure_code', filter.codes);
  any(`failure ->> 'class'`, filter.classes);
  // A redriven item keeps the time; it has not failed any more.
  if (filter.failedFrom ?? filter.failedTo) conditions.push(`status IN ('dead', 'expired')`);
  if (filter.failedFrom) conditions.push(`coalesce(closed_at, updated_at) >= ${bind(filter.failedFrom)}`);
  if (filter.failedTo) conditions.push(`coalesce(closed_at, updated_at) < ${bind(filter.failedTo)}`);
  if (filter.openId !== undefined) conditions.push(`open_id = ${bind(filter.openId)}`);
  if (filter.sha256 !== undefined) conditions.push(`sha256 = ${bind(filter.sha256)}`);
  if (filter.sentFrom) conditions.push(`sent_at >= ${bind(filter.sentFrom)}`);
  if (filter.sentTo) conditions.push(`sent_at < ${bind(filter.sentTo)}`);
  if (filter.updatedFrom) conditions.push(`updated_at >= ${bind(filter.updatedFrom)}`);
  any('parent_id', filter.parentIds);
  if (filter.withoutCovers) conditions.push(`(kind <> 'thumb' OR parent_id IS NULL)`);
  if (filter.expiresFrom) conditions.push(`expires_at >= ${bind(filter.expiresFrom)}`);
  if (filter.expiresBefore) conditions.push(`expires_at < ${bind(filter.expiresBefore)}`);
  if (filter.expiresFrom || filter.expiresBefore) {
    // Only pending rows have a deadline; the condition also makes the index media_backlog usable.
    if (!filter.statuses) conditions.push(`status = 'pending'`);
  }
  // As one object: the index media_labels holds pairs of name and value.
  if (filter.labels && Object.keys(filter.labels).length > 0) {
    conditions.push(`labels @> ${bind(storableJson(filter.labels))}::jsonb`);
  }
  return conditions;
}
