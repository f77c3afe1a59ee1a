/** Classifies a response body by its first bytes, because neither the status nor Content-Type of WeChat is reliable. */
import type { Kind } from '../../media.ts';
import type { MediaType } from '../../media-type.ts';
import { type ApiResponse, errcodeOf, parseApiResponse } from '../api/response.ts';
import { isTextLike, textOf } from './text-like.ts';

/** Enough for every known magic number. */
export const HEAD_BYTES = 4096;
/** A body that begins like JSON is read up to this size, because JSON must be parsed as a whole. */
export const JSON_BYTES = 64 * 1024;

export type BodyClass =
  | { readonly is: 'media'; readonly type: MediaType }
  | { readonly is: 'errcode'; readonly response: ApiResponse; readonly errcode: number }
  | { readonly is: 'video_url'; readonly url: string }
  | { readonly is: 'failure'; readonly code: 'body_empty' | 'body_not_media'; readonly cause?: 'errcode' };

const UNKNOWN_FORMAT: MediaType = { contentType: 'application/octet-stream', extension: 'bin' };

/** Whether a body that begins with these bytes may be JSON. White space alone may also be the beginning of JSON. */
export const mayBecomeJson = (head: Uint8Array): boolean =>
  /^\s*(?:\{|$)/.test(textOf(head.subarray(0, HEAD_BYTES)));

/**
 * Classifies a body. WeChat sends errors with status 200 as text/plain or application/json, and media sometimes as
 * `text/jpeg` or without a type. The rules, in this order:
 * 1. No bytes: `body_empty`.
 * 2. JSON with an errcode is an error; JSON with `video_url` is a link.
 * 3. Bytes that look like text are not a file.
 * 4. A textual or compressed type is not media. The type is the sniffed one, or Content-Type if the bytes have no known
 *    magic number.
 * 5. All other bytes are media. Without a known magic number the type is application/octet-stream.
 *
 * Only a `file` that is sent as an attachment may itself be JSON, HTML or text: WeCom sends all files that way.
 */
export function classifyBody(body: {
  readonly head: Uint8Array;
  /** Whether `head` is the whole body. */
  readonly isWhole: boolean;
  readonly sniffed: MediaType | undefined;
  readonly contentType: string | undefined;
  readonly kind: Kind;
  /** According to Content-Disposition. */
  readonly isAttachment: boolean;
}): BodyClass {
  const { head, isWhole, sniffed, kind, isAttachment } = body;
  if (head.length === 0) return { is: 'failure', code: 'body_empty' };
  if (kind === 'file' && isAttachment) return { is: 'media', type: sniffed ?? UNKNOWN_FORMAT };
  if (isWhole && mayBecomeJson(head)) {
    const response = parseApiResponse(jsonTextOf(head));
    const errcode = response && errcodeOf(response);
    if (response && errcode) return { is: 'errcode', response, errcode };
    if (kind !== 'file' && typeof response?.video_url === 'string')
      return { is: 'video_url', url: response.video_url };
    if (response && errcode !== undefined) return { is: 'errcode', response, errcode };
  }
  // A voice without a magic number is also sent as an attachment, and may be of any length.
  const isKnown = sniffed !== undefined || isAttachment;
  const start = head.subarray(0, HEAD_BYTES);
  if (isTextLike(start, { isWhole: isWhole && start.length === head.length, isKnown })) {
    // JSON that is cut, or longer than JSON_BYTES, is an error of WeChat that cannot be parsed.
    const cause = /^\s*\{\s*"(?:errcode|errmsg|base_resp)"/.test(textOf(start))
      ? ({ cause: 'errcode' } as const)
      : {};
    return { is: 'failure', code: 'body_not_media', ...cause };
  }
  const type = sniffed?.contentType ?? body.contentType ?? '';
  if (isTextual(type) || COMPRESSED.has(type)) return { is: 'failure', code: 'body_not_media' };
  return { is: 'media', type: sniffed ?? UNKNOWN_FORMAT };
}

/** Decodes as UTF-8 unless the bytes are UTF-16. */
const jsonTextOf = (head: Uint8Array): string =>
  head.includes(0) ? textOf(head).replace(/\0+$/, '') : Buffer.from(head).toString('utf8');

const isTextual = (contentType: string) =>
  /^\s*(?:text\/|[^;]*(?:\bjson|\bxml|\bhtml|\brtf)\b)/i.test(contentType);

/**
 * Formats of a body that a gateway compressed without Content-Encoding; it is most likely an error page. A real .gz
 * file is a `file` with a Content-Disposition.
 */
const COMPRESSED: ReadonlySet<string> = new Set([
  'application/gzip',
  'application/zstd',
  'application/x-bzip2',
]);
