/** A place in a list, opaque to callers: the last row's time and id, and the order they belong to. */

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
    if (of === sort && Number.isSafeInteger(at) && typeof id === 'string' && !id.includes('\0')) {
      const date = new Date(at as number);
      if (!Number.isNaN(date.getTime())) return { at: date, id };
    }
  }
  throw new RangeError('the cursor is not one this list gave for this order');
}
