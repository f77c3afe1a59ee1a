/**
 * A cursor of a list, opaque to callers: time and id of the last row, and the sort order. In microseconds, as the
 * database stores times: with milliseconds, rows of the same transaction would be skipped.
 */
import { ID_PATTERN } from '../../media.ts';

/** No row is later, and Postgres and JavaScript write years of five digits differently. */
const END_MICROS = Date.UTC(10_000) * 1000;

export function encodeCursor(atMicros: number, id: string, sort: string): string {
  return Buffer.from(JSON.stringify([sort, atMicros, id])).toString('base64url');
}

/** Throws RangeError for anything that {@link encodeCursor} did not make for this sort order. */
export function decodeCursor(cursor: string, sort: string): { atMicros: number; id: string } {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    parts = undefined;
  }
  if (Array.isArray(parts) && parts.length === 3) {
    const [sortOfCursor, at, id] = parts as unknown[];
    const isTime = Number.isInteger(at) && (at as number) >= 0 && (at as number) < END_MICROS;
    if (sortOfCursor === sort && isTime && typeof id === 'string' && ID_PATTERN.test(id)) {
      return { atMicros: at as number, id };
    }
  }
  throw new RangeError('the cursor is not one this list gave for this order');
}
