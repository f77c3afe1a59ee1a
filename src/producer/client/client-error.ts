/** The errors of the client. */

export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/**
 * Codes that the client itself gives; every other code is one of the server's (docs/problems.md and `/docs/problems` list them).
 * - `misused`: invalid options or arguments; nothing was sent.
 * - `unavailable`: no server was reached, or its response broke off.
 * - `timeout`: no response in time.
 * - `pending`: the file is not archived yet; `retryAfterMs` says when to ask again.
 * - `too_large`: the file has more bytes than `bytes` may read.
 * - `unexpected_response`: the response is not one of this service, for example a page of a proxy.
 */
export type ClientErrorCode =
  | 'misused'
  | 'unavailable'
  | 'timeout'
  | 'pending'
  | 'too_large'
  | 'unexpected_response';

export interface ClientErrorDetails {
  readonly status?: number | undefined;
  readonly advice?: string | undefined;
  readonly detail?: string | undefined;
  readonly errors?: readonly FieldError[] | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** Why a call of the client failed. No part of it contains the key. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  /** A {@link ClientErrorCode}, or the `code` of the server's problem, such as `media_not_found`. */
  readonly code: string;
  /** What happened, in one sentence. */
  readonly title: string;
  /** The status of the response; undefined: there was none. */
  readonly status: number | undefined;
  /** What to do, in the language of the client. */
  readonly advice: string | undefined;
  readonly detail: string | undefined;
  /** The fields that the server refused. */
  readonly errors: readonly FieldError[];
  /** The wait that the server asked for. */
  readonly retryAfterMs: number | undefined;

  constructor(code: string, title: string, details: ClientErrorDetails = {}) {
    const { status, advice, detail, errors = [], retryAfterMs, cause } = details;
    super(messageOf(title, { detail, advice, errors }), cause === undefined ? {} : { cause });
    this.code = code;
    this.title = title;
    this.status = status;
    this.advice = advice;
    this.detail = detail;
    this.errors = errors;
    this.retryAfterMs = retryAfterMs;
  }
}

function messageOf(title: string, { detail, advice, errors = [] }: ClientErrorDetails): string {
  const sentences = [title, detail, advice]
    .filter((text): text is string => Boolean(text))
    .map((text) => (/[.!?。！？]$/.test(text) ? text : `${text}.`));
  const fields = errors.map(({ field, message }) => `${field}: ${message}`).join('; ');
  return `wechat-media-archiver: ${sentences.join(' ')}${fields && ` (${fields})`}`;
}
