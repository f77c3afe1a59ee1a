/** Reads the object of an item for an export. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { FailureError } from '../../failures.ts';
import type { Store } from '../../storage/store.ts';
import { isStoreRefusal } from '../../store-failures.ts';

/** The object cannot be exported, and the others can; the message says why in the manifest. */
export class UnreadableObjectError extends Error {
  override readonly name = 'UnreadableObjectError';
}

export interface ObjectOptions {
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
}

/** How often a body that breaks off is continued. */
const RESUMES = 3;

interface Opened {
  readonly body: Readable;
  readonly etag: string | undefined;
}

/**
 * Requests the bytes from `offset` on. Throws UnreadableObjectError where the store has no such object, refuses it or
 * has another one; what the store throws where it does not respond.
 */
async function open(
  store: Pick<Store, 'get'>,
  key: string,
  { sizeBytes, signal, offset }: ObjectOptions & { offset: number },
): Promise<Opened> {
  const range = offset > 0 ? { range: `bytes=${offset}-` } : {};
  const object = await store.get(key, { ...range, signal }).catch((error: unknown) => {
    if (error instanceof FailureError && isStoreRefusal(error.failure.code))
      throw new UnreadableObjectError(`the storage refuses it: ${error.failure.code}`);
    throw error;
  });
  if (!object) throw new UnreadableObjectError('the object is no longer in the bucket');
  const { status, headers, body } = object;
  if (status === (offset > 0 ? 206 : 200) && Number(headers['content-length']) === sizeBytes - offset)
    return { body, etag: headers.etag };
  body.destroy();
  throw new UnreadableObjectError(`the object has another size than ${sizeBytes} bytes`);
}

/**
 * Opens an object and resolves with its bytes; a body that breaks off is continued where it ended. Throws before the
 * first byte as {@link open} does. Once there are bytes, every error ends the reading for good.
 */
export async function openObject(
  store: Pick<Store, 'get'>,
  key: string,
  options: ObjectOptions,
): Promise<AsyncGenerator<Buffer>> {
  return bytesOf(store, key, options, await open(store, key, { ...options, offset: 0 }));
}

async function* bytesOf(
  store: Pick<Store, 'get'>,
  key: string,
  options: ObjectOptions,
  first: Opened,
): AsyncGenerator<Buffer> {
  let offset = 0;
  let opened = first;
  for (let resumes = 0; ; resumes++) {
    try {
      for await (const chunk of opened.body as AsyncIterable<Buffer>) {
        offset += chunk.byteLength;
        yield chunk;
      }
      if (offset >= options.sizeBytes) return;
      throw new Error(`the object ended after ${offset} of ${options.sizeBytes} bytes`);
    } catch (error) {
      options.signal.throwIfAborted();
      if (resumes >= RESUMES || offset >= options.sizeBytes) throw error;
    } finally {
      opened.body.destroy();
    }
    opened = await open(store, key, { ...options, offset });
    if (opened.etag !== first.etag) {
      opened.body.destroy();
      throw new Error('the object was replaced while it was read');
    }
  }
}

/** Reads a small object whole, and compares its digest. Throws UnreadableObjectError where it is another one. */
export async function readObject(
  store: Pick<Store, 'get'>,
  key: string,
  options: ObjectOptions & { readonly sha256: string | undefined },
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of await openObject(store, key, options)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const { sha256 } = options;
  if (sha256 !== undefined && createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new UnreadableObjectError('the object has another sha256 than the catalogue');
  return bytes;
}
