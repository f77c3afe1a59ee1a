/** Range and the conditions of RFC 9110, for content of which this server knows the length and the ETag. */
import type { IncomingHttpHeaders } from 'node:http';

/** The first and the last byte, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Whether If-None-Match names the tag. It is compared weakly, because proxies weaken tags when they compress. */
export function isTagIn(header: string | undefined, tag: string): boolean {
  const tags = (header ?? '').split(',').map((one) => one.trim().replace(/^W\//, ''));
  return tags.includes(tag) || tags.includes('*');
}

/**
 * Returns the requested range if it is a single one. Undefined: the whole content is to be sent, because there is no
 * range, several, an invalid one, or one of other content (If-Range).
 */
export function rangeOf(
  headers: IncomingHttpHeaders,
  { tag, sizeBytes }: { tag: string; sizeBytes: number },
): ByteRange | 'unsatisfiable' | undefined {
  const ifRange = headers['if-range'];
  if (ifRange !== undefined && ifRange !== tag) return undefined;
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? 'unsatisfiable' : { start: sizeBytes - length, end: sizeBytes - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  if (start >= sizeBytes) return 'unsatisfiable';
  return { start, end: last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1) };
}
