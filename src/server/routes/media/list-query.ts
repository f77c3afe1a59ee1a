/** The parameters of GET /v1/media. */
import { z } from 'zod';
import type { MediaFilter } from '../../../catalogue/media/filter.ts';
import { refuse } from '../../../field-errors.ts';
import { unknownFieldSentence } from '../../../field-sentences.ts';
import { KINDS, STATUSES, text } from '../../../media.ts';
import { queryTime, searchText } from '../field-schemas.ts';
import { mediaFilterOf, sha256 } from '../filter-body.ts';

const REPEAT_LIMIT = 200;
const INT4_LIMIT = 2 ** 31;

const word = text(512);
/** A parameter that may be repeated: `?id=a&id=b`. */
const repeatable = <T extends z.ZodType>(item: T) =>
  z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(item).min(1).max(REPEAT_LIMIT).optional(),
  );

/** `include=a,b` as a list. */
export const includeOf = <const Names extends readonly [string, ...string[]]>(...names: Names) =>
  z
    .string()
    .optional()
    .describe(`what to add, separated by commas: ${names.join(', ')}`)
    .transform((value) => value?.split(',') ?? [])
    .pipe(z.array(z.enum(names)));

export const listQuery = z
  .object({
    account: repeatable(word).describe(
      'an account by its id or its name; like the other lists, repeat it for several',
    ),
    id: repeatable(word),
    mediaId: repeatable(word).describe('the media id of WeChat'),
    msgId: repeatable(word).describe('the id of the message'),
    openId: word.optional().describe('the user who sent the message'),
    kind: repeatable(z.enum(KINDS)),
    status: repeatable(z.enum(STATUSES)),
    sha256: sha256.optional(),
    errcode: repeatable(
      z.coerce
        .number()
        .int()
        .min(-INT4_LIMIT)
        .max(INT4_LIMIT - 1),
    ),
    sentFrom: queryTime('past')
      .optional()
      .describe('sent at this time or later: a date, or a duration such as 24h'),
    sentTo: queryTime('past').optional().describe('sent before this time'),
    expiresFrom: queryTime('future')
      .optional()
      .describe('pending items whose deadline is at this time or later'),
    expiresBefore: queryTime('future')
      .optional()
      .describe('pending items whose deadline is before this time'),
    parentId: repeatable(word).describe('covers and variants of these items'),
    covers: z.enum(['include', 'exclude']).default('include').describe('exclude: without covers of videos'),
    q: searchText.optional(),
    updatedFrom: queryTime('past')
      .optional()
      .describe('with sort=updatedAt: rows that changed at this time or later'),
    sort: z
      .enum(['sentAt', 'updatedAt'])
      .default('sentAt')
      .describe('updatedAt: oldest change first, and nextCursor is never null'),
    limit: z.coerce.number().int().min(1).max(200).default(50),
    cursor: word.optional().describe('nextCursor or previousCursor of another page; absent: the first page'),
    include: includeOf('link', 'count'),
  })
  .catchall(word)
  .superRefine((query, context) => {
    if (query.updatedFrom && query.sort !== 'updatedAt')
      refuse(context, { en: 'needs sort=updatedAt', zh: '需要 sort=updatedAt' }, ['updatedFrom']);
    for (const name of Object.keys(query)) {
      if (LIST_FIELDS.has(name) || LABEL.test(name)) continue;
      refuse(context, UNKNOWN_PARAMETER, [name.slice(0, 80)]);
    }
  });
const LIST_FIELDS: ReadonlySet<string> = new Set(
  'account id mediaId msgId openId kind status sha256 errcode sentFrom sentTo expiresFrom expiresBefore updatedFrom parentId covers q sort limit cursor include'.split(
    ' ',
  ),
);
const UNKNOWN_PARAMETER = unknownFieldSentence('query', [...LIST_FIELDS, 'label.{key}']);
const LABEL = /^label\.[^\0\p{Surrogate}]{1,64}$/u;

type ListQuery = z.infer<typeof listQuery>;

/**
 * Returns the query as a filter of the catalogue. `accounts`: the requested accounts that the client may see;
 * undefined: all.
 */
export function filterOf(query: ListQuery, accounts: readonly string[] | undefined): MediaFilter {
  const labels = Object.entries(query)
    .filter(([name]) => name.startsWith('label.'))
    .map(([name, value]) => [name.slice('label.'.length), value as string]);
  const label = labels.length > 0 ? Object.fromEntries(labels) : undefined;
  return {
    ...mediaFilterOf({ ...query, label }, accounts),
    ...(query.updatedFrom ? { updatedFrom: new Date(query.updatedFrom) } : {}),
    ...(query.parentId ? { parentIds: query.parentId } : {}),
    ...(query.covers === 'exclude' ? { withoutCovers: true } : {}),
  };
}
