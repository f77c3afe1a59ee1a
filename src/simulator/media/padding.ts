/** Random-looking bytes that fill a file to its size and are always the same for a seed. */
import { createCipheriv } from 'node:crypto';

const CHUNK_BYTES = 65_536;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/**
 * Generates `sizeBytes` in chunks of 64 KiB. They are not zeros, so that a chunk lost, doubled or swapped on the way
 * changes the digest.
 */
export function* paddingOf(seed: number, sizeBytes: number): Generator<Buffer> {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  for (let left = sizeBytes; left > 0; left -= CHUNK_BYTES)
    yield cipher.update(ZEROS.subarray(0, Math.min(left, CHUNK_BYTES)));
}
