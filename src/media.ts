/** The vocabulary of media items: the reference that a producer sends, and the rules for ids and object keys. */
import { hash } from 'node:crypto';
import { z } from 'zod';

export const KINDS = ['image', 'voice', 'video', 'shortvideo', 'thumb', 'file'] as const;
export type Kind = (typeof KINDS)[number];

export const STATUSES = ['pending', 'archived', 'dead', 'expired', 'erased'] as const;
export type Status = (typeof STATUSES)[number];

export const WAITING_REASONS = ['queued', 'running', 'retry', 'accountHeld', 'storeHeld'] as const;
export type WaitingReason = (typeof WAITING_REASONS)[number];

/** Where the bytes came from. */
export const SOURCES = ['media_get', 'jssdk', 'video_url', 'pic_url'] as const;
export type Source = (typeof SOURCES)[number];

/** Postgres refuses NUL in text, and a lone surrogate cannot be stored as UTF-8: the schemas refuse both. */
export const text = (max: number, string = z.string()) =>
  string
    .min(1)
    .max(max)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'contains NUL or broken Unicode');

/** RFC 3339 with any offset in JSON, a `Date` once it is parsed. */
export const timestamp = z.iso.datetime({ offset: true }).transform((time) => new Date(time));

/** The JSON form of a reference: in the API, in a job's data and in the spool. Parsed once, where it comes in. */
export const referenceSchema = z.strictObject({
  account: text(128).describe('appId (WeCom: corpId-agentId), or the name of a configured account'),
  mediaId: text(512).describe('the media id WeChat gave'),
  kind: z.enum(KINDS),
  variant: z.enum(['16k', 'jssdk']).optional().describe('voices only'),
  parentId: text(64).optional().describe('id of the media this one belongs to (thumbs, variants)'),
  openId: text(128).optional(),
  msgId: text(128).optional().describe('64 bits: a string'),
  sentAt: timestamp.optional().describe("the message's time; default: now"),
  picUrl: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .optional(),
  labels: z
    .record(text(64), text(256))
    .refine((labels) => Object.keys(labels).length <= 8, 'at most 8 labels')
    .optional(),
});

/** What is checked of a media item's identity alone, where all else has been checked field by field. */
export const identitySchema = referenceSchema.pick({ account: true, mediaId: true, kind: true }).strip();

/** A parsed reference. `account` may be the name of a configured account, and `sentAt` may be missing. */
export type ReferenceInput = z.output<typeof referenceSchema>;

/** A reference from its parsing to its row: `account` is the platform's identity, `sentAt` is known. */
export interface Reference extends Omit<ReferenceInput, 'sentAt'> {
  readonly sentAt: Date;
}

/**
 * Returns the id of an item's row: `m_` + the first 32 hex digits of sha256(account + NUL + mediaId). Every producer in
 * every language computes the same id, so that a repeated reference meets its own row.
 */
export function idOf(account: string, mediaId: string): string {
  return `m_${hash('sha256', `${account}\0${mediaId}`).slice(0, 32)}`;
}

export const ID_PATTERN = /^m_[0-9a-f]{32}$/;

/**
 * The object's key: `{prefix}{account}/{yyyy}/{mm}/{dd}/{id}.{ext}`, by the UTC day of `sentAt`. Bytes of another
 * source (`pic_url` may be a re-encoded rendition) get another key, so that one key always means the same bytes.
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

/** What all keys of one media begin with. */
export function keyPrefixOf(media: { prefix: string; account: string; sentAt: Date; id: string }): string {
  const day = media.sentAt.toISOString();
  return `${media.prefix}${media.account}/${day.slice(0, 4)}/${day.slice(5, 7)}/${day.slice(8, 10)}/${media.id}`;
}
