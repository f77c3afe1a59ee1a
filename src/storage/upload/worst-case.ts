/** What a put may hold in memory, so that it can be reserved before the bytes are asked for. */

const PART_BYTES = 8 * 1024 * 1024;
/** Two in flight and one being filled. */
const PARTS_HELD = 3;
/** A body's last chunks overlap with the part being cut from them. */
const SLACK_BYTES = 128 * 1024;

/** Bytes for a body of that length, or of a length not known yet. */
export function worstCaseBytes(lengthBytes: number | undefined): number {
  if (lengthBytes === undefined || lengthBytes > PART_BYTES) return PARTS_HELD * PART_BYTES;
  return lengthBytes + SLACK_BYTES;
}
