/** Reads a body to its end for its digest and size. */
import { createHash } from 'node:crypto';

export async function digestOf(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of body) {
    signal.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.byteLength;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
