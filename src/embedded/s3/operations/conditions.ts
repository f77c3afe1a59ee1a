/** Range and the conditions that browsers send, as pure decisions over headers (RFC 9110 §13, §14). */
import type { ObjectInfo } from '../files/record-file.ts';
import { S3Error } from '../protocol/responses.ts';

type Headers = NodeJS.Dict<string[]>;

const unquote = (etag: string) =>
  etag
    .trim()
    .replace(/^W\//, '')
    .replace(/^"(.*)"$/, '$1');
const includesEtag = (lines: readonly string[], etag: string) =>
  lines.some((line) => line.split(',').some((item) => item.trim() === '*' || unquote(item) === etag));

/** HTTP dates have whole seconds. */
const seconds = (date: Date) => Math.floor(date.getTime() / 1000);
function readDate(lines: readonly string[] | undefined): number | undefined {
  const time = Date.parse(lines?.[0] ?? '');
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}

/**
 * True where the reader's copy is still good (304), by If-None-Match or, without it, by If-Modified-Since.
 * @throws S3Error NotImplemented for the conditions that only writers of S3 use.
 */
export function isNotModified(headers: Headers, info: Pick<ObjectInfo, 'etag' | 'modifiedAt'>): boolean {
  if (headers['if-match'] || headers['if-unmodified-since'])
    throw new S3Error('NotImplemented', 'If-Match and If-Unmodified-Since are not implemented.');
  const noneMatch = headers['if-none-match'];
  if (noneMatch) return includesEtag(noneMatch, info.etag);
  const modifiedSince = readDate(headers['if-modified-since']);
  return modifiedSince !== undefined && seconds(info.modifiedAt) <= modifiedSince;
}

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/**
 * @returns undefined for the whole object: no Range, one that is malformed, or several at once, as S3 does.
 * @throws S3Error InvalidRange (416)
 */
export function decideRange(
  headers: Headers,
  info: Pick<ObjectInfo, 'etag' | 'sizeBytes' | 'modifiedAt'>,
): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range?.[0] ?? '');
  if (!match || match[0] === 'bytes=-') return undefined;
  const ifRange = headers['if-range'];
  if (ifRange && !includesEtag(ifRange, info.etag) && readDate(ifRange) !== seconds(info.modifiedAt))
    return undefined;
  const size = info.sizeBytes;
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
