/**
 * A cursor of a list, opaque to callers: time and id of the row beside the page, on which side of it the page is, and
 * the sort order. In microseconds, as the database stores times: with milliseconds, rows of the same transaction would
 * be skipped.
 */
import { ID_PATTERN } from '../../media.ts';

/** No row is later, and Postgres and JavaScript write years of five digits differently. */
const END_MICROS = Date.UTC(10_000) * 1000;

/** The page after the row, in the order of the list, or the page before it. */
export type Side = 'after' | 'before';

export interface Position {
  readonly side: Side;
  readonly atMicros: number;
  readonly id: string;
}

export function encodeCursor({ side, atMicros, id }: Position, sort: string): string {
  return Buffer.from(JSON.stringify([sort, side, atMicros, id])).toString('base64url');
}

/** Throws RangeError for anything that {@link encodeCursor} did not make for this sort order. */
export function decodeCursor(cursor: string, sort: string): Position {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    parts = undefined;
  }
  if (Array.isArray(parts) && parts.length === 4) {
    const [sortOfCursor, side, at, id] = parts as unknown[];
    const isTime = Number.isInteger(at) && (at as number) >= 0 && (at as number) < END_MICROS;
    const isSide = side === 'after' || side === 'before';
    if (sortOfCursor === sort && isSide && isTime && typeof id === 'string' && ID_PATTERN.test(id)) {
      return { side, atMicros: at as number, id };
    }
  }
  throw new RangeError('the cursor is not one this list gave for this order');
}
