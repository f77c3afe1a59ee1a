/**
 * What stands in front of every upload. It counts and hashes, and holds the last chunk back until the whole is
 * proven: a sink that never sees the last chunk cannot complete an object from a short, long or altered body.
 */
import { createHash } from 'node:crypto';
import { failure } from '../../failures.ts';

/** What is known of a body beforehand. Undefined: the body itself fails when it is cut (chunked encoding). */
export type Expectation =
  | { readonly lengthBytes: number }
  | { readonly sha256: string; readonly sizeBytes: number };

export interface Digest {
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

export interface VerifiedBody {
  /** To be read once. Throws body_too_short, body_too_long, bytes_differ, timeout, or what the source threw. */
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>;
  /** Of the whole body; to be asked after the last chunk. */
  digest(): Digest;
}

export interface VerifiedBodyOptions {
  readonly expect: Expectation | undefined;
  /** Silence of the source that ends it. */
  readonly idleTimeoutMs: number;
  /** Wakes a guard whose source is silent. */
  readonly signal: AbortSignal;
}

/** Counts and hashes, and knows when a body is longer, shorter or another than was said. */
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
        throw failure('bytes_differ', `${sizeBytes} bytes of another content`);
      return { sizeBytes, sha256 };
    },
  };
}

/** A body that fits into memory, whole and proven. Nothing of it has left yet, so nothing has to be held back. */
export async function readVerified(
  body: AsyncIterable<Uint8Array>,
  { expect, idleTimeoutMs, signal }: VerifiedBodyOptions,
): Promise<{ readonly chunks: readonly Uint8Array[]; readonly measure: Digest }> {
  const proof = createVerifier(expect);
  const source = body[Symbol.asyncIterator]();
  const watch = createIdleReader(source, idleTimeoutMs, signal);
  const chunks: Uint8Array[] = [];
  let ended = false;
  try {
    for (let step = await watch.next(); !step.done; step = await watch.next()) {
      proof.add(step.value);
      chunks.push(step.value);
    }
    ended = true;
    return { chunks, measure: proof.finish() };
  } finally {
    watch.end();
    if (!ended) closeWithoutWaiting(source);
  }
}

export function createVerifiedBody(
  body: AsyncIterable<Uint8Array>,
  { expect, idleTimeoutMs, signal }: VerifiedBodyOptions,
): VerifiedBody {
  const proof = createVerifier(expect);
  let measured: Digest | undefined;

  async function* read(): AsyncGenerator<Uint8Array, void, undefined> {
    const source = body[Symbol.asyncIterator]();
    const watch = createIdleReader(source, idleTimeoutMs, signal);
    let held: Uint8Array | undefined;
    let ended = false;
    try {
      for (;;) {
        const step = await watch.next();
        if (step.done) break;
        if (step.value.byteLength === 0) continue;
        proof.add(step.value);
        if (held) yield held;
        held = step.value;
      }
      ended = true;
      measured = proof.finish();
      if (held) yield held;
    } finally {
      watch.end();
      if (!ended) closeWithoutWaiting(source);
    }
  }

  return {
    chunks: read(),
    digest: () => {
      if (!measured) throw new Error('the body has not been read to its end');
      return measured;
    },
  };
}

/** Not awaited: a generator that is stalled inside next() answers return() only when it wakes. */
function closeWithoutWaiting(source: AsyncIterator<Uint8Array>): void {
  source.return?.()?.catch(() => undefined);
}

/**
 * Waits for the source's next chunk, the signal, or too long a silence. One listener and one timer serve all chunks:
 * a pair for each cost as much as hashing them.
 */
function createIdleReader(source: AsyncIterator<Uint8Array>, idleTimeoutMs: number, signal: AbortSignal) {
  let wake: (reason: unknown) => void = () => undefined;
  const stop = () => wake(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
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
      signal.removeEventListener('abort', stop);
    },
  };
}
