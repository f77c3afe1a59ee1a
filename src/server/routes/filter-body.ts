/**
 * The filter of a list of media items in the body of a request: what redrives, erasures and exports act on is what a list
 * shows.
 */
import { z } from 'zod';
import type { MediaFilter } from '../../catalogue/media/filter.ts';
import type { LocalizedText } from '../../explanation.ts';
import type { FailureClass } from '../../failures.ts';
import { formatted, refuse, saying } from '../../field-errors.ts';
import { KINDS, labelsSchema, STATUSES, text } from '../../media.ts';
import { FAILURE_CODES } from '../../wechat/api/errcodes.ts';
import { requestTime, searchText, trimmedText } from './field-schemas.ts';

const VALUE_LIMIT = 200;
const ID_LIMIT = 1_000;
const INT4_LIMIT = 2 ** 31;

const CLASSES = [
  'token',
  'transient',
  'minute_limit',
  'day_quota',
  'permanent_media',
  'account',
  'store',
  'unknown',
] as const satisfies readonly FailureClass[];
const KNOWN_CODES: ReadonlySet<string> = new Set(FAILURE_CODES);

/** One value, or a list of them. */
const oneOrMany = <T extends z.ZodType>(item: T, limit = VALUE_LIMIT) =>
  z
    .preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1).max(limit))
    .optional();

const word = text(512);

export const sha256 = formatted(/^[0-9a-f]{64}$/, {
  en: 'must be a sha256: 64 hex digits in lower case',
  zh: '必须是 sha256：64 位小写十六进制数字',
});

export const filterSchema = z
  .strictObject({
    account: oneOrMany(trimmedText(128)).describe('an account, by its id or its name'),
    id: oneOrMany(word, ID_LIMIT),
    mediaId: oneOrMany(word),
    msgId: oneOrMany(word),
    openId: word.optional(),
    kind: oneOrMany(z.enum(KINDS)),
    status: oneOrMany(z.enum(STATUSES)),
    sha256: sha256.optional(),
    errcode: oneOrMany(
      z
        .number()
        .int()
        .min(-INT4_LIMIT)
        .max(INT4_LIMIT - 1),
    ),
    code: oneOrMany(
      trimmedText(64).refine(
        (code) => KNOWN_CODES.has(code),
        saying({
          en: 'is not the code of a failure, such as invalid_media_id; GET /v1/dead-letters lists the codes',
          zh: '不是失败代码（例如 invalid_media_id）；GET /v1/dead-letters 列出了现有代码',
        }),
      ),
    ),
    class: oneOrMany(z.enum(CLASSES)),
    failedFrom: requestTime.optional().describe('became dead or expired at this time or later'),
    failedTo: requestTime.optional(),
    sentFrom: requestTime.optional(),
    sentTo: requestTime.optional(),
    expiresFrom: requestTime.optional().describe('pending items only'),
    expiresBefore: requestTime.optional().describe('pending items only'),
    q: searchText.optional(),
    label: labelsSchema
      .refine(
        (labels) => Object.keys(labels).length > 0,
        saying({ en: 'must have at least one label', zh: '至少需要一个标签' }),
      )
      .optional(),
  })
  .superRefine((filter, context) => {
    for (const [from, to] of [
      ['failedFrom', 'failedTo'],
      ['sentFrom', 'sentTo'],
    ] as const) {
      const [start, end] = [filter[from], filter[to]];
      if (start !== undefined && end !== undefined && Date.parse(start) >= Date.parse(end))
        refuse(context, { en: `must be after ${from}`, zh: `必须晚于 ${from}` }, [to]);
    }
  })
  .meta({
    id: 'MediaFilter',
    description: 'Which media items: all fields must match, and one value of each list.',
  });

export type FilterBody = z.infer<typeof filterSchema>;
type FilterField = keyof FilterBody;

/**
 * The fields whose values lead to a person or an item. They are never stored: a row or an audit entry keeps only their
 * names.
 */
const NOT_KEPT = [
  'id',
  'mediaId',
  'msgId',
  'openId',
  'sha256',
  'label',
  'q',
] as const satisfies readonly FilterField[];
type NotKept = (typeof NOT_KEPT)[number];

export type KeptFilter = Omit<FilterBody, NotKept> & { readonly notKept?: readonly NotKept[] };

/** Returns the filter as it may be stored: the names instead of the values that lead to a person. */
export function keptFilterOf(filter: FilterBody): KeptFilter {
  const notKept = NOT_KEPT.filter((field) => filter[field] !== undefined);
  const kept = Object.fromEntries(
    Object.entries(filter).filter(([field]) => !NOT_KEPT.some((name) => name === field)),
  ) as Omit<FilterBody, NotKept>;
  return notKept.length > 0 ? { ...kept, notKept } : kept;
}

/** Returns the fields that {@link keptFilterOf} leaves out; undefined where there are none. */
export function personalPartOf(filter: FilterBody): Pick<FilterBody, NotKept> | undefined {
  const fields = Object.entries(filter).filter(([field]) => NOT_KEPT.some((name) => name === field));
  return fields.length > 0 ? Object.fromEntries(fields) : undefined;
}

/** Returns the filter for the catalogue. `accounts`: those that the client may see; undefined: all. */
export function mediaFilterOf(filter: FilterBody, accounts: readonly string[] | undefined): MediaFilter {
  const date = (time: string | undefined) => (time === undefined ? undefined : new Date(time));
  const members: { [K in keyof MediaFilter]: MediaFilter[K] | undefined } = {
    accounts,
    ids: filter.id,
    mediaIds: filter.mediaId,
    msgIds: filter.msgId,
    openId: filter.openId,
    kinds: filter.kind,
    statuses: filter.status,
    sha256: filter.sha256,
    errcodes: filter.errcode,
    codes: filter.code,
    classes: filter.class,
    failedFrom: date(filter.failedFrom),
    failedTo: date(filter.failedTo),
    sentFrom: date(filter.sentFrom),
    sentTo: date(filter.sentTo),
    expiresFrom: date(filter.expiresFrom),
    expiresBefore: date(filter.expiresBefore),
    q: filter.q,
    labels: filter.label,
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** Adds an issue for each field that means nothing for this request, with the reason. */
export function refuseFields(
  context: z.RefinementCtx,
  filter: FilterBody,
  refused: Partial<Readonly<Record<FilterField, LocalizedText>>>,
): void {
  for (const [field, why] of Object.entries(refused))
    if (filter[field as FilterField] !== undefined) refuse(context, why, ['filter', field]);
}

/** Adds an issue for each status that means nothing for this request. */
export function refuseStatuses(
  context: z.RefinementCtx,
  filter: FilterBody,
  isRefused: (status: (typeof STATUSES)[number]) => boolean,
  why: LocalizedText,
): void {
  for (const [index, status] of (filter.status ?? []).entries())
    if (isRefused(status)) refuse(context, why, ['filter', 'status', index]);
}

/**
 * Adds an issue where the reason contains an id of the filter that leads to a person. The reason is stored permanently,
 * and an erasure does not reach it.
 */
export function refusePersonInReason(
  context: z.RefinementCtx,
  reason: string | undefined,
  filter: Pick<FilterBody, 'openId' | 'mediaId' | 'msgId'> | undefined,
): void {
  const words = { openId: filter?.openId, mediaId: filter?.mediaId, msgId: filter?.msgId };
  for (const [name, values] of Object.entries(words))
    if ([values ?? []].flat().some((value) => reason?.toLowerCase().includes(value.toLowerCase())))
      refuse(
        context,
        { en: `is stored permanently: remove the ${name}`, zh: `会永久保存：请去掉其中的 ${name}` },
        ['reason'],
      );
}
