/** The parameters of GET /v1/media. */
import { z } from 'zod';
import type { MediaFilter } from '../../../catalogue/media/filter.ts';
import { KINDS, STATUSES, text } from '../../../media.ts';
import { queryTime, searchText } from '../field-schemas.ts';
import { mediaFilterOf } from '../filter-body.ts';

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
    .transform((value) => value?.split(',') ?? [])
    .pipe(z.array(z.enum(names)));

export const listQuery = z
  .object({
    account: repeatable(word),
    id: repeatable(word),
    mediaId: repeatable(word),
    msgId: repeatable(word),
    openId: word.optional(),
    kind: repeatable(z.enum(KINDS)),
    status: repeatable(z.enum(STATUSES)),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    errcode: repeatable(
      z.coerce
        .number()
        .int()
        .min(-INT4_LIMIT)
        .max(INT4_LIMIT - 1),
    ),
    sentFrom: queryTime('past').optional(),
    sentTo: queryTime('past').optional(),
    expiresFrom: queryTime('future').optional(),
    expiresBefore: queryTime('future').optional(),
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
    cursor: word.optional(),
    include: includeOf('link', 'count'),
  })
  .catchall(word)
  .superRefine((query, context) => {
    if (query.updatedFrom && query.sort !== 'updatedAt')
      context.addIssue({ code: 'custom', path: ['updatedFrom'], message: 'needs sort=updatedAt' });
    for (const name of Object.keys(query)) {
      if (LIST_FIELDS.has(name) || LABEL.test(name)) continue;
      context.addIssue({ code: 'custom', path: [name], message: 'is not a parameter of this route' });
    }
  });
const LIST_FIELDS: ReadonlySet<string> = new Set(
  'account id mediaId msgId openId kind status sha256 errcode sentFrom sentTo expiresFrom expiresBefore updatedFrom parentId covers q sort limit cursor include'.split(
    ' ',
  ),
);
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
