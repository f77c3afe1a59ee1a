/** The types of media items and references, and the rules for their ids and object keys. */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { formatted, saying } from './field-errors.ts';
import { TRACEPARENT, TRACEPARENT_RULE } from './traceparent.ts';

export const KINDS = ['image', 'voice', 'video', 'shortvideo', 'thumb', 'file'] as const;
export type Kind = (typeof KINDS)[number];

export const STATUSES = ['pending', 'archived', 'dead', 'expired', 'erased'] as const;
export type Status = (typeof STATUSES)[number];

export const WAITING_REASONS = ['queued', 'running', 'retry', 'accountHeld', 'storeHeld'] as const;
export type WaitingReason = (typeof WAITING_REASONS)[number];

/** The call or link from which the bytes came. */
export const SOURCES = ['media_get', 'jssdk', 'video_url', 'pic_url'] as const;
export type Source = (typeof SOURCES)[number];

/**
 * A text. NUL and lone surrogates are refused: Postgres refuses NUL, and a lone surrogate cannot be stored as UTF-8.
 */
export const text = (max: number, string = z.string()) =>
  string
    .min(1)
    .max(max)
    .refine(
      (value) => !value.includes('\0') && value.isWellFormed(),
      saying({ en: 'contains NUL or broken Unicode', zh: '含有 NUL 字符或损坏的 Unicode' }),
    );

/** The longest recognised text or title of an item, in characters (code points, as Postgres counts them). */
export const TEXT_LIMIT = 2_000;

/** Returns the beginning of a text, at most `max` whole characters (code points). */
export function cutText(value: string, max: number): string {
  // A character takes one or two units, so that most texts need no count.
  if (value.length <= max) return value;
  // The iterator of a string never splits a surrogate pair.
  return [...value.slice(0, 2 * max)].slice(0, max).join('');
}

/** A time: in JSON RFC 3339 with any offset, and after parsing a `Date`. */
export const timestamp = z.iso.datetime({ offset: true }).transform((time) => new Date(time));

/** Labels of an item: names and values that the producer chooses. */
export const labelsSchema = z
  .record(text(64), text(256))
  .refine(
    (labels) => Object.keys(labels).length <= 8,
    saying({ en: 'must have at most 8 labels', zh: '最多 8 个标签' }),
  );

/** The JSON of a reference in the API, in a job's data and in the spool. It is parsed once, when it arrives. */
export const referenceSchema = z
  .strictObject({
    account: text(128).describe('appId (WeCom: corpId-agentId), or the name of a configured account'),
    mediaId: text(512).describe('the media id from the message of WeChat'),
    kind: z.enum(KINDS),
    variant: z.enum(['16k', 'jssdk']).optional().describe('voices only'),
    parentId: text(64)
      .optional()
      .describe('id of the media item to which this one belongs (thumbs, variants)'),
    openId: text(128).optional(),
    msgId: text(128).optional().describe('64 bits: a string'),
    sentAt: timestamp.optional().describe("the message's time; default: now"),
    picUrl: z
      .url({ protocol: /^https?$/ })
      .max(2048)
      .optional(),
    text: text(2 * TEXT_LIMIT)
      .refine(
        (value) => cutText(value, TEXT_LIMIT) === value,
        saying({ en: `must have at most ${TEXT_LIMIT} characters`, zh: `最多 ${TEXT_LIMIT} 个字符` }),
      )
      .meta({ maxLength: TEXT_LIMIT })
      .optional()
      .describe('what WeChat recognised in a voice, or the title of a forwarded item'),
    labels: labelsSchema.optional(),
    traceparent: formatted(TRACEPARENT, {
      en: TRACEPARENT_RULE,
      zh: '必须是 W3C Trace Context 的 traceparent（版本 00）',
    })
      .optional()
      .describe('the trace to which the attempts of this media item belong (W3C Trace Context)'),
  })
  .meta({ id: 'Reference', description: 'What is known of a media item when it is added.' });

/** Checks only the identity of a media item, for input whose other fields are checked one by one. */
export const identitySchema = referenceSchema.pick({ account: true, mediaId: true, kind: true }).strip();

/** A parsed reference. `account` may be the name of a configured account, and `sentAt` may be missing. */
export type ReferenceInput = z.output<typeof referenceSchema>;

/** A complete reference: `account` is the account's identity at WeChat, and `sentAt` is known. */
export interface Reference extends Omit<ReferenceInput, 'sentAt'> {
  readonly sentAt: Date;
}

/**
 * Returns the id of a media item: `m_` + the first 32 hex digits of sha256(account + NUL + mediaId). Every producer in
 * every language computes the same id, so that a repeated reference leads to the existing row.
 */
export function idOf(account: string, mediaId: string): string {
  return `m_${hash('sha256', `${account}\0${mediaId}`).slice(0, 32)}`;
}

export const ID_PATTERN = /^m_[0-9a-f]{32}$/;

/**
 * Returns the key of the object: `{prefix}{account}/{yyyy}/{mm}/{dd}/{id}.{ext}`, with the UTC day of `sentAt`. The
 * bytes of a `pic_url` may be re-encoded, so they get another key: one key always refers to the same bytes.
 */
export function objectKeyOf(media: {
  prefix: string;
  account: string;
  sentAt: Date;
  id: string;
  source: Source;
  extension: string;
}): string {
  const suffix = media.source === 'pic_url' ? '-pic' : '';
  return `${keyPrefixOf(media)}${suffix}.${media.extension}`;
}

/** Returns the common prefix of all object keys of a media item. */
export function keyPrefixOf(media: { prefix: string; account: string; sentAt: Date; id: string }): string {
  const day = media.sentAt.toISOString();
  return `${media.prefix}${media.account}/${day.slice(0, 4)}/${day.slice(5, 7)}/${day.slice(8, 10)}/${media.id}`;
}
