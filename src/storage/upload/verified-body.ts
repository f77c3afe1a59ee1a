/**
 * Verifies the length and sha256 of a body while it is uploaded. The last chunk is held back until the whole body is
 * verified: an upload that never gets its last chunk cannot complete an object from a short, long or altered body.
 */
import { createHash } from 'node:crypto';
import { failure } from '../../failures.ts';

/** What is known of a body beforehand. */
export type Expectation =
  | { readonly lengthBytes: number }
  | { readonly sha256: string; readonly sizeBytes: number };

export interface Digest {
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

export interface VerifiedBody {
  /** Can be read once. Throws body_too_short, body_too_long, bytes_differ, timeout, or what the source threw. */
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>;
  /** Returns the digest of the whole body. Throws before the last chunk has been read. */
  digest(): Digest;
}

export interface VerifiedBodyOptions {
  readonly expect: Expectation | undefined;
  /** How long the source may be silent before the body fails with `timeout`. */
  readonly idleTimeoutMs: number;
  /** Ends the wait for a silent source. */
  readonly signal: AbortSignal;
}

/** Counts and hashes chunks, and throws where length or hash is not the expected one. */
function createVerifier(expect: Expectation | undefined) {
  const limitBytes = expect && ('lengthBytes' in expect ? expect.lengthBytes : expect.sizeBytes);
  const hash = createHash('sha256');
  let sizeBytes = 0;

  function wrongLength(long: boolean) {
    const detail = `${sizeBytes} of ${limitBytes} bytes`;
    if (expect && 'sha256' in expect) return failure('bytes_differ', detail);
    return failure(long ? 'body_too_long' : 'body_too_short', detail);
  }

  return {
    add: (chunk: Uint8Array): void => {
      sizeBytes += chunk.byteLength;
      if (limitBytes !== undefined && sizeBytes > limitBytes) throw wrongLength(true);
      hash.update(chunk);
    },
    finish: (): Digest => {
      if (limitBytes !== undefined && sizeBytes < limitBytes) throw wrongLength(false);
      const sha256 = hash.digest('hex');
      if (expect && 'sha256' in expect && sha256 !== expect.sha256)
        throw failure('bytes_differ', `${sizeBytes} bytes with another sha256`);
      return { sizeBytes, sha256 };
    },
  };
}

/** Reads a body into memory and verifies it. Nothing is sent before, so no chunk has to be held back. */
export async function readVerified(
  body: AsyncIterable<Uint8Array>,
  { expect, idleTimeoutMs, signal }: VerifiedBodyOptions,
): Promise<{ readonly chunks: readonly Uint8Array[]; readonly digest: Digest }> {
  const verifier = createVerifier(expect);
  const source = body[Symbol.asyncIterator]();
  const reader = createIdleReader(source, idleTimeoutMs, signal);
  const chunks: Uint8Array[] = [];
  let ended = false;
  try {
    for (let step = await reader.next(); !step.done; step = await reader.next()) {
      verifier.add(step.value);
      chunks.push(step.value);
    }
    ended = true;
    return { chunks, digest: verifier.finish() };
  } finally {
    reader.end();
    if (!ended) closeWithoutWaiting(source);
  }
}

export function createVerifiedBody(
  body: AsyncIterable<Uint8Array>,
  { expect, idleTimeoutMs, signal }: VerifiedBodyOptions,
): VerifiedBody {
  const verifier = createVerifier(expect);
  let digest: Digest | undefined;

  async function* read(): AsyncGenerator<Uint8Array, void, undefined> {
    const source = body[Symbol.asyncIterator]();
    const reader = createIdleReader(source, idleTimeoutMs, signal);
    let lastChunk: Uint8Array | undefined;
    let ended = false;
    try {
      for (;;) {
        const step = await reader.next();
        if (step.done) break;
        if (step.value.byteLength === 0) continue;
        verifier.add(step.value);
        if (lastChunk) yield lastChunk;
        lastChunk = step.value;
      }
      ended = true;
      digest = verifier.finish();
      if (lastChunk) yield lastChunk;
    } finally {
      reader.end();
      if (!ended) closeWithoutWaiting(source);
    }
  }

  return {
    chunks: read(),
    digest: () => {
      if (!digest) throw new Error('the body has not been read to its end');
      return digest;
    },
  };
}

/** Not awaited: the return() of a generator that waits inside next() resolves only when that wait ends. */
function closeWithoutWaiting(source: AsyncIterator<Uint8Array>): void {
  source.return?.()?.catch(() => undefined);
}

/**
 * Waits for the source's next chunk, the signal, or the idle timeout. One listener and one timer serve all chunks: a
 * pair for each chunk cost as much as hashing it.
 */
function createIdleReader(source: AsyncIterator<Uint8Array>, idleTimeoutMs: number, signal: AbortSignal) {
  let wake: (reason: unknown) => void = () => undefined;
  const abort = () => wake(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => wake(failure('timeout', `no bytes for ${idleTimeoutMs} ms`)), idleTimeoutMs);
  return {
    next: () =>
      new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        wake = reject;
        timer.refresh();
        source.next().then(resolve, reject);
      }),
    end: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    },
  };
}
