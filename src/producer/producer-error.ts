import { parseDatabaseUrl } from '../config/database-address.ts';

/**
 * Why `archive` or `createProducer` failed.
 * - `invalid`: a message or reference is invalid; nothing of the call was written.
 * - `unknown_account`: the account is not configured in any archiver of this database.
 * - `unavailable`: no response in time; the references may have been written, and a repeat is safe.
 * - `misconfigured`: Postgres or Redis refuses the call (password, rights, missing tables), or a package that this way
 *   of producing needs is not installed.
 * - `misused`: invalid options, or a call after close.
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

/**
 * Checks that a URL has one of `schemes`. The error names the option and never quotes the URL, which contains a
 * password.
 */
export function checkUrl(option: string, text: string, schemes: readonly string[]): void {
  const { protocol = '' } = parseDatabaseUrl(text) ?? {};
  if (schemes.includes(protocol.slice(0, -1))) return;
  const form = schemes.map((scheme) => `${scheme}://`).join(' or ');
  throw new ProducerError(
    'misused',
    `${option} must be a URL that starts with ${form}, with user and password percent-encoded`,
  );
}
