import { parseDatabaseUrl } from '../config/database-address.ts';

/**
 * Why nothing was handed over.
 * - `invalid`: a message or a reference that cannot be one; nothing of the call was written.
 * - `unknown_account`: no archiver of this database has the account.
 * - `unavailable`: no answer in time; it may have been written nevertheless, and giving it again is safe.
 * - `misconfigured`: the far end answers and refuses (password, rights, tables that are not there).
 * - `misused`: the options of the producer, or a call after close.
 */
export type ProducerErrorCode = 'invalid' | 'unknown_account' | 'unavailable' | 'misconfigured' | 'misused';

export class ProducerError extends Error {
  override readonly name = 'ProducerError';
  readonly code: ProducerErrorCode;
  constructor(code: ProducerErrorCode, message: string, cause?: unknown) {
    super(`wechat-media-archiver: ${message}`, cause === undefined ? {} : { cause });
    this.code = code;
  }
}

/** A URL of one of `schemes`; the error names the option and never repeats the text, which holds a password. */
export function checkUrl(option: string, text: string, schemes: readonly string[]): string {
  const { protocol = '' } = parseDatabaseUrl(text) ?? {};
  if (schemes.includes(protocol.slice(0, -1))) return text;
  const form = schemes.map((scheme) => `${scheme}://`).join(' or ');
  throw new ProducerError(
    'misused',
    `${option} must be a URL that starts with ${form}, with user and password percent-encoded`,
  );
}
