/**
 * A place in a list, opaque to callers: the last row's time and id, and the order they belong to. In microseconds, as
 * the database keeps it: by milliseconds the rest of what one transaction wrote would be passed over.
 */
import { ID_PATTERN } from '../../media.ts';

/** No row is younger, and years of five digits are written differently by Postgres and by JavaScript. */
const END_MICROS = Date.UTC(10_000) * 1000;
/** Cursors of earlier releases counted milliseconds; the same number of microseconds is a day of January 1970. */
const MILLIS_BELOW = 1e14;

export function encodeCursor(atMicros: number, id: string, sort: string): string {
  return Buffer.from(JSON.stringify([sort, atMicros, id])).toString('base64url');
}

/** Throws RangeError at anything that {@link encodeCursor} did not make, or made for another order. */
export function decodeCursor(cursor: string, sort: string): { atMicros: number; id: string } {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    parts = undefined;
  }
  if (Array.isArray(parts) && parts.length === 3) {
    const [of, at, id] = parts as unknown[];
    const isTime = Number.isInteger(at) && (at as number) >= 0 && (at as number) < END_MICROS;
    if (of === sort && isTime && typeof id === 'string' && ID_PATTERN.test(id)) {
      const given = at as number;
      return { atMicros: given < MILLIS_BELOW ? given * 1000 : given, id };
    }
  }
  throw new RangeError('the cursor is not one this list gave for this order');
}
