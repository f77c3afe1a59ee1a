/** Cuts a body into parts of equal size (R2 insists on it), each a list of the chunks it came in, with its hash. */
import { createHash } from 'node:crypto';

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly chunks: readonly Uint8Array[];
  /** Hex, of this part. */
  readonly sha256: () => string;
  readonly last: boolean;
}

/**
 * A part is given out only when a byte beyond it has come, or the body has ended whole: every part but the last has
 * `partSizeBytes`, the last has at least one byte, an empty body is one empty part. Chunks are not joined: that
 * costs 12 % of an upload and as much again in garbage. `hashed` is false where one part is expected, whose hash is
 * the body's; then its own is computed only if asked for.
 */
export async function* partsOf(
  chunks: AsyncIterable<Uint8Array>,
  options: { partSizeBytes: number; hashed: boolean },
): AsyncGenerator<Part, void, undefined> {
  const { partSizeBytes, hashed } = options;
  let number = 1;
  let open = openPart(hashed);
  for await (const chunk of chunks) {
    let rest = chunk;
    while (open.sizeBytes + rest.byteLength > partSizeBytes) {
      const room = partSizeBytes - open.sizeBytes;
      if (room > 0) open.add(rest.subarray(0, room));
      rest = rest.subarray(room);
      yield { number: number++, chunks: open.chunks, sha256: open.sha256, last: false };
      open = openPart(true);
    }
    open.add(rest);
  }
  yield { number, chunks: open.chunks, sha256: open.sha256, last: true };
}

function openPart(hashed: boolean) {
  const chunks: Uint8Array[] = [];
  // Hashed as they come, while they are still in the processor's cache.
  const hash = hashed ? createHash('sha256') : undefined;
  let sizeBytes = 0;
  return {
    chunks,
    get sizeBytes() {
      return sizeBytes;
    },
    add: (chunk: Uint8Array) => {
      chunks.push(chunk);
      sizeBytes += chunk.byteLength;
      hash?.update(chunk);
    },
    sha256: () => {
      const whole = hash ?? chunks.reduce((sum, chunk) => sum.update(chunk), createHash('sha256'));
      return whole.digest('hex');
    },
  };
}
