/** A place in a list, opaque to callers: the last row's time and id, and the order they belong to. */
import { ID_PATTERN } from '../media.ts';

/** No row is younger, and years of five digits are written differently by Postgres and by JavaScript. */
const END_MS = Date.UTC(10_000);

export function encodeCursor(at: Date, id: string, sort: string): string {
  return Buffer.from(JSON.stringify([sort, at.getTime(), id])).toString('base64url');
}

/** Throws RangeError at anything that {@link encodeCursor} did not make, or made for another order. */
export function decodeCursor(cursor: string, sort: string): { at: Date; id: string } {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    parts = undefined;
  }
  if (Array.isArray(parts) && parts.length === 3) {
    const [of, at, id] = parts as unknown[];
    const isTime = Number.isInteger(at) && (at as number) >= 0 && (at as number) < END_MS;
    if (of === sort && isTime && typeof id === 'string' && ID_PATTERN.test(id)) {
      return { at: new Date(at as number), id };
    }
  }
  throw new RangeError('the cursor is not one this list gave for this order');
}
