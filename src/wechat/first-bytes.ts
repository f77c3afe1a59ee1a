/** The first bytes decide what WeChat sent; neither the status nor Content-Type can be relied on to tell. */
import type { Kind } from '../media.ts';
import type { MediaType } from '../media-type.ts';
import { type Answer, errcodeOf, parseAnswer } from './answer.ts';

/** Enough for any magic number. */
export const HEAD_BYTES = 4096;
/** What begins like JSON is read up to here, since it has to be parsed whole. */
export const JSON_BYTES = 64 * 1024;

export type Verdict =
  | { readonly is: 'media'; readonly type: MediaType }
  | { readonly is: 'errcode'; readonly answer: Answer; readonly errcode: number }
  | { readonly is: 'video_url'; readonly url: string }
  | { readonly is: 'failure'; readonly code: 'body_empty' | 'body_not_media' | 'malformed_answer' };

const UNNAMED: MediaType = { contentType: 'application/octet-stream', extension: 'bin' };

export const beginsLikeJson = (head: Uint8Array): boolean => /^(?:\xef\xbb\xbf)?\s*\{/.test(latin1(head));

/**
 * Error answers come with status 200 as text/plain or application/json, media sometimes as `text/jpeg` or without a
 * type. So: nothing is empty; JSON with an errcode is an error; JSON with video_url a link; known magic is media;
 * what then is called or looks like text is not; the rest is media of a format without magic.
 */
export function judge(given: {
  readonly head: Uint8Array;
  /** Whether `head` is the whole body. */
  readonly isWhole: boolean;
  readonly sniffed: MediaType | undefined;
  readonly contentType: string | undefined;
  readonly kind: Kind;
  /** By its disposition; the only word on whether a `file` that looks like an error is one. */
  readonly isAttachment: boolean;
}): Verdict {
  const { head, sniffed, kind } = given;
  if (head.length === 0) return { is: 'failure', code: 'body_empty' };
  // Only a `file` may itself be JSON, HTML or text.
  const mayBeText = kind === 'file';
  if (beginsLikeJson(head)) {
    const answer = given.isWhole ? parseAnswer(Buffer.from(head).toString('utf8')) : undefined;
    const errcode = answer && errcodeOf(answer);
    const isError = errcode !== undefined && !(mayBeText && (errcode === 0 || given.isAttachment));
    if (answer && isError && errcode !== 0) return { is: 'errcode', answer, errcode };
    if (!mayBeText && typeof answer?.video_url === 'string')
      return { is: 'video_url', url: answer.video_url };
    if (answer && isError) return { is: 'errcode', answer, errcode };
    if (!mayBeText)
      return { is: 'failure', code: given.isWhole && !answer ? 'malformed_answer' : 'body_not_media' };
  }
  if (sniffed && (mayBeText || !isTextual(sniffed.contentType))) return { is: 'media', type: sniffed };
  if (!mayBeText && (isTextual(given.contentType ?? '') || looksLikeMarkup(head))) {
    return { is: 'failure', code: 'body_not_media' };
  }
  return { is: 'media', type: UNNAMED };
}

const isTextual = (contentType: string) => /^\s*(?:text\/|[^;]*(?:\bjson|\bxml|\bhtml)\b)/i.test(contentType);

const looksLikeMarkup = (head: Uint8Array) => /^(?:\xef\xbb\xbf)?\s*<[a-z!?/]/i.test(latin1(head));

const latin1 = (head: Uint8Array) =>
  Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 256)).toString('latin1');
