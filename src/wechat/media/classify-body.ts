/** The first bytes decide what WeChat sent; neither the status nor Content-Type can be relied on to tell. */
import type { Kind } from '../../media.ts';
import type { MediaType } from '../../media-type.ts';
import { type ApiResponse, errcodeOf, parseApiResponse } from '../api/response.ts';
import { isTextLike, textOf } from './text-like.ts';

/** Enough for any magic number. */
export const HEAD_BYTES = 4096;
/** What begins like JSON is read up to here, since it has to be parsed whole. */
export const JSON_BYTES = 64 * 1024;

export type BodyClass =
  | { readonly is: 'media'; readonly type: MediaType }
  | { readonly is: 'errcode'; readonly answer: ApiResponse; readonly errcode: number }
  | { readonly is: 'video_url'; readonly url: string }
  | { readonly is: 'failure'; readonly code: 'body_empty' | 'body_not_media'; readonly cause?: 'errcode' };

const UNKNOWN_FORMAT: MediaType = { contentType: 'application/octet-stream', extension: 'bin' };

/** Whether the first bytes can still become JSON: white space alone can. */
export const mayBecomeJson = (head: Uint8Array): boolean =>
  /^\s*(?:\{|$)/.test(textOf(head.subarray(0, HEAD_BYTES)));

/**
 * Error answers come with status 200 as text/plain or application/json, media sometimes as `text/jpeg` or without a
 * type. So: nothing is empty; JSON with an errcode is an error; JSON with video_url a link; what is like a text is no
 * file; known magic is media; what then is called a text is not; the rest is media of a format without magic.
 * Only a `file` that comes as an attachment may itself be JSON, HTML or text. Real files of WeCom always do.
 */
export function classifyBody(given: {
  readonly head: Uint8Array;
  /** Whether `head` is the whole body. */
  readonly isWhole: boolean;
  readonly sniffed: MediaType | undefined;
  readonly contentType: string | undefined;
  readonly kind: Kind;
  /** By its disposition. */
  readonly isAttachment: boolean;
}): BodyClass {
  const { head, isWhole, sniffed, kind, isAttachment } = given;
  if (head.length === 0) return { is: 'failure', code: 'body_empty' };
  if (kind === 'file' && isAttachment) return { is: 'media', type: sniffed ?? UNKNOWN_FORMAT };
  if (isWhole && mayBecomeJson(head)) {
    const answer = parseApiResponse(jsonTextOf(head));
    const errcode = answer && errcodeOf(answer);
    if (answer && errcode) return { is: 'errcode', answer, errcode };
    if (kind !== 'file' && typeof answer?.video_url === 'string')
      return { is: 'video_url', url: answer.video_url };
    if (answer && errcode !== undefined) return { is: 'errcode', answer, errcode };
  }
  // A voice without magic comes as an attachment too, and may then be of any length.
  const isKnown = sniffed !== undefined || isAttachment;
  const start = head.subarray(0, HEAD_BYTES);
  if (isTextLike(start, { isWhole: isWhole && start.length === head.length, isKnown })) {
    // Cut, or more than JSON_BYTES: an error of WeChat all the same, which only cannot be read.
    const cause = /^\s*\{\s*"(?:errcode|errmsg|base_resp)"/.test(textOf(start))
      ? ({ cause: 'errcode' } as const)
      : {};
    return { is: 'failure', code: 'body_not_media', ...cause };
  }
  const type = sniffed?.contentType ?? given.contentType ?? '';
  if (isTextual(type) || COMPRESSED.has(type)) return { is: 'failure', code: 'body_not_media' };
  return { is: 'media', type: sniffed ?? UNKNOWN_FORMAT };
}

/** UTF-8 unless the bytes are UTF-16. */
const jsonTextOf = (head: Uint8Array): string =>
  head.includes(0) ? textOf(head).replace(/\0+$/, '') : Buffer.from(head).toString('utf8');

const isTextual = (contentType: string) =>
  /^\s*(?:text\/|[^;]*(?:\bjson|\bxml|\bhtml|\brtf)\b)/i.test(contentType);

/** What a gateway compressed without saying so; a page, as likely as not. A real .gz is a file with a disposition. */
const COMPRESSED: ReadonlySet<string> = new Set([
  'application/gzip',
  'application/zstd',
  'application/x-bzip2',
]);
