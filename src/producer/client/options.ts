/** Options of `createClient`, and how they are checked. */
import { ClientError } from './client-error.ts';

export interface ClientOptions {
  /** The address of the archiver, such as `https://archiver.example.com`; a path in front of `/v1` is kept. */
  readonly url: string;
  /** The secret of one of the archiver's API_KEYS. */
  readonly key: string;
  /** The language of titles and advice; default `en`. */
  readonly language?: 'en' | 'zh';
  /**
   * The longest time of a call, its repetitions included; default 20,000. One attempt may take half of it. It does not
   * limit the transfer of a file, in which no single wait may be longer, nor the stream of events.
   */
  readonly timeoutMs?: number;
  /** How often a call that can be repeated safely is repeated after a failure that may pass; default 3. */
  readonly retries?: number;
}

/** Options of a single call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface Settings {
  /** Without a trailing slash. */
  readonly url: string;
  readonly key: string;
  readonly language: 'en' | 'zh';
  readonly timeoutMs: number;
  readonly retries: number;
}

const TIMEOUT_MS = 20_000;
const RETRIES = 3;
const LONGEST_TIMEOUT_MS = 600_000;
const MOST_RETRIES = 10;
const KNOWN = ['url', 'key', 'language', 'timeoutMs', 'retries'];

export const misused = (what: string) => new ClientError('misused', what);

/** Returns the settings. Throws a {@link ClientError} `misused` that names the option and never quotes the key. */
export function readOptions(options: ClientOptions): Settings {
  if (typeof options !== 'object' || options === null) throw misused('createClient needs { url, key }');
  refuseUnknown(options, KNOWN, 'createClient');
  const { key, language = 'en', timeoutMs = TIMEOUT_MS, retries = RETRIES } = options;
  const url = readUrl(options.url);
  // A header may contain only these characters. An error of fetch would quote the key.
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(key))
    throw misused('key must be the secret of one of the API_KEYS of the archiver, without spaces');
  if (language !== 'en' && language !== 'zh') throw misused("language must be 'en' or 'zh'");
  checkTimeout(timeoutMs);
  if (!Number.isInteger(retries) || retries < 0 || retries > MOST_RETRIES)
    throw misused(`retries must be a whole number from 0 to ${MOST_RETRIES}`);
  return { url, key, language, timeoutMs, retries };
}

/** A misspelt option would silently have no effect. */
export function refuseUnknown(options: object, known: readonly string[], where: string): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw misused(`${where} has no option ${unknown}; its options are ${known.join(', ')}`);
}

export function checkTimeout(timeoutMs: number): void {
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > LONGEST_TIMEOUT_MS)
    throw misused(`timeoutMs must be a whole number of milliseconds from 1 to ${LONGEST_TIMEOUT_MS}`);
}

function readUrl(text: unknown): string {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined;
  const example = 'such as https://archiver.example.com';
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw misused(`url must be an address that starts with https:// or http://, ${example}`);
  if (url.username !== '' || url.password !== '')
    throw misused('url must not contain a user or a password: set key instead');
  if (url.search !== '' || url.hash !== '') throw misused(`url must end with its host or a path, ${example}`);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}
