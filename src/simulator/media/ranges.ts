/** Ranges of a file, as WeCom supports them (media/get: 206, at most 20 MiB at a time). */
import type { Content } from './contents.ts';

/** The first and the last byte, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The most that WeCom sends in one response. */
export const RANGE_BYTES_MAX = 20 * 2 ** 20;

/**
 * Parses a `Range` header with one range and cuts it to the file: `beyond` where it begins after the end, undefined where
 * the header is absent or malformed.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | 'beyond' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (!first && !last) return undefined;
  const start = first ? Number(first) : Math.max(0, sizeBytes - Number(last));
  const end = first && last ? Math.min(Number(last), sizeBytes - 1) : sizeBytes - 1;
  if (start >= sizeBytes) return 'beyond';
  return start <= end ? { start, end } : undefined;
}

/** Returns the content of one range. */
export function sliceOf(content: Content, { start, end }: ByteRange): Content {
  return {
    ...content,
    sizeBytes: end - start + 1,
    chunks: function* () {
      let at = 0;
      for (const chunk of content.chunks()) {
        const piece = chunk.subarray(Math.max(0, start - at), Math.max(0, end + 1 - at));
        at += chunk.length;
        if (piece.length > 0) yield piece;
        if (at > end) return;
      }
    },
  };
}
