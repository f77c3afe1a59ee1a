/**
 * Parses the target of the request line. Not with `new URL`, which would resolve `..` and normalise escapes: the
 * signature covers what the client sent.
 */
import { S3Error } from './responses.ts';

export interface RequestTarget {
  /** Decoded; empty for `/`. */
  readonly bucket: string;
  /** Decoded; empty where the target is the bucket itself. */
  readonly key: string;
  /** The decoded path, escaped again by the rules of SigV4, as the client signed it. */
  readonly canonicalPath: string;
  readonly query: ReadonlyMap<string, string>;
}

/** S3's own limit, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;
const MAX_PARAMETERS = 64;

/** Escapes everything but the unreserved characters of RFC 3986, in upper-case hex, as SigV4 requires. */
export function escapeUri(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error('InvalidURI', 'The URI holds an escape that is not UTF-8.');
  }
}

/** @throws S3Error InvalidURI, KeyTooLongError, InvalidArgument (a parameter given twice has two meanings). */
export function parseTarget(url: string): RequestTarget {
  if (!url.startsWith('/')) throw new S3Error('InvalidURI', 'The request target has to be a path.');
  const mark = url.indexOf('?');
  const path = decode(mark < 0 ? url : url.slice(0, mark));
  const query = new Map<string, string>();
  const pairs = mark < 0 ? [] : url.slice(mark + 1).split('&');
  if (pairs.length > MAX_PARAMETERS) throw new S3Error('InvalidURI', 'Too many query parameters.');
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const unplus = (text: string) => decode(text.replaceAll('+', ' '));
    const name = unplus(equals < 0 ? pair : pair.slice(0, equals));
    if (query.has(name)) throw new S3Error('InvalidArgument', 'A query parameter is given twice.');
    query.set(name, equals < 0 ? '' : unplus(pair.slice(equals + 1)));
  }
  const slash = path.indexOf('/', 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? '' : path.slice(slash + 1);
  if (Buffer.byteLength(key) > MAX_KEY_BYTES)
    throw new S3Error('KeyTooLongError', `A key has at most ${MAX_KEY_BYTES} bytes.`);
  return { bucket, key, query, canonicalPath: path.split('/').map(escapeUri).join('/') };
}
