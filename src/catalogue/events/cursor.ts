/** A cursor of the feed, opaque to clients: the last event that was read, by its position and the time it got it. */

export interface FeedCursor {
  /** 0: before the first event. */
  readonly position: number;
  /** Unix time in milliseconds; 0 for position 0. Recognises positions that a restored database gave again. */
  readonly atMs: number;
}

const VERSION = 'e1';
const PATTERN = /^e1\.(0|[1-9]\d{0,15})\.(0|[1-9]\d{0,14})$/;

export function encodeFeedCursor({ position, atMs }: FeedCursor): string {
  return Buffer.from(`${VERSION}.${position}.${atMs}`).toString('base64url');
}

/** Undefined for anything that {@link encodeFeedCursor} did not make. */
export function decodeFeedCursor(cursor: string): FeedCursor | undefined {
  const [, position, atMs] = PATTERN.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (position === undefined || !Number.isSafeInteger(Number(position))) return undefined;
  const decoded = { position: Number(position), atMs: Number(atMs) };
  // Node ignores characters that are not of base64url: only the exact text is a cursor.
  return encodeFeedCursor(decoded) === cursor ? decoded : undefined;
}
