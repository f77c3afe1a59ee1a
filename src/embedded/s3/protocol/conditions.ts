/** Ranges and preconditions, as pure decisions over headers (RFC 9110 §13, §14, in the order S3 applies them). */

import type { WriteCondition } from '../files/objects.ts';
import type { ObjectInfo } from '../files/record-file.ts';
import { S3Error } from './responses.ts';

type Headers = NodeJS.Dict<string[]>;

const unquote = (etag: string) =>
  etag
    .trim()
    .replace(/^W\//, '')
    .replace(/^"(.*)"$/, '$1');
const names = (list: readonly string[], etag: string) =>
  list.some((line) => line.split(',').some((item) => item.trim() === '*' || unquote(item) === etag));

/** HTTP dates have whole seconds. */
const seconds = (date: Date) => Math.floor(date.getTime() / 1000);
function readDate(lines: readonly string[] | undefined): number | undefined {
  const time = Date.parse(lines?.[0] ?? '');
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}

/** @throws S3Error PreconditionFailed */
export function decideRead(
  headers: Headers,
  facts: Pick<ObjectInfo, 'etag' | 'modifiedAt'>,
): 'send' | 'notModified' {
  const failed = () => new S3Error('PreconditionFailed', 'The object is not as the condition wants it.');
  const modified = seconds(facts.modifiedAt);
  const match = headers['if-match'];
  const unmodifiedSince = readDate(headers['if-unmodified-since']);
  if (match) {
    if (!names(match, facts.etag)) throw failed();
  } else if (unmodifiedSince !== undefined && modified > unmodifiedSince) throw failed();
  const noneMatch = headers['if-none-match'];
  if (noneMatch) return names(noneMatch, facts.etag) ? 'notModified' : 'send';
  const modifiedSince = readDate(headers['if-modified-since']);
  return modifiedSince !== undefined && modified <= modifiedSince ? 'notModified' : 'send';
}

/** @throws S3Error NotImplemented for conditions S3 does not take on writes either. */
export function readWriteCondition(headers: Headers): WriteCondition {
  const noneMatch = headers['if-none-match']?.[0];
  const match = headers['if-match']?.[0];
  if (noneMatch !== undefined && (noneMatch !== '*' || match !== undefined))
    throw new S3Error('NotImplemented', 'A write takes If-None-Match: * or If-Match: "etag".');
  if (noneMatch !== undefined) return { absent: true };
  return match === undefined ? undefined : { etag: unquote(match) };
}

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/**
 * @returns undefined for the whole object: no Range, one that is malformed, or several at once (S3 sends all then).
 * @throws S3Error InvalidRange (416)
 */
export function decideRange(
  headers: Headers,
  facts: Pick<ObjectInfo, 'etag' | 'sizeBytes' | 'modifiedAt'>,
): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range?.[0] ?? '');
  if (!match || match[0] === 'bytes=-') return undefined;
  const ifRange = headers['if-range'];
  if (ifRange && !names(ifRange, facts.etag) && readDate(ifRange) !== seconds(facts.modifiedAt))
    return undefined;
  const size = facts.sizeBytes;
  const [first, last] = [match[1], match[2]];
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  if (start > end)
    throw new S3Error('InvalidRange', 'The range lies outside the object.', {
      'content-range': `bytes */${size}`,
    });
  return { start, end };
}
