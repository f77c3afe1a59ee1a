/**
 * Uploads a body: one PUT where it fits into one part, otherwise a multipart upload. Every byte is sent under a signed
 * payload hash, and nothing completes before the whole body is verified (verified-body.ts).
 */
import type { UploadParts } from '../../config/upload-parts.ts';
import { FailureError } from '../../failures.ts';
import { isStoreAway } from '../../store-failures.ts';
import type { Address } from '../http/address.ts';
import type { QuickRetry } from '../http/quick-retry.ts';
import type { SignedHttp } from '../http/signed-request.ts';
import type { StoredObject } from '../stored-object.ts';
import type { MultipartUploads } from './multipart.ts';
import type { NewObject } from './new-object.ts';
import { etagOf, headersOf } from './object-headers.ts';
import { partsOf } from './parts.ts';
import { createVerifiedBody, type Digest, readVerified } from './verified-body.ts';

export type Put = (object: NewObject) => Promise<Digest & { multipart: boolean }>;

export function createPut(
  deps: {
    http: SignedHttp;
    address: Address;
    retry: QuickRetry;
    multipart: Pick<MultipartUploads, 'send'>;
    /** Resolves with undefined where there is no such object. */
    head(key: string, signal: AbortSignal): Promise<Pick<StoredObject, 'sizeBytes' | 'sha256'> | undefined>;
  },
  options: UploadParts & { sourceIdleTimeoutMs: number },
): Put {
  const { http, address, retry, multipart, head } = deps;
  const { partSizeBytes, sourceIdleTimeoutMs: idleTimeoutMs } = options;

  async function putWhole(object: NewObject, chunks: readonly Uint8Array[], digest: Digest) {
    const { key, signal } = object;
    const { sha256, sizeBytes } = digest;
    const path = address.pathOf(key);
    const headers = headersOf({ ...object, metadata: { ...object.metadata, sha256 } });
    try {
      await retry(signal, async () =>
        etagOf(await http.sendOk({ method: 'PUT', path, headers, body: chunks, sha256, signal })),
      );
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FailureError) || !isStoreAway(error.failure.code)) throw error;
      // The PUT may have succeeded although its response was lost or was a 500: HEAD shows it.
      const stored = await head(key, signal).catch(() => undefined);
      signal.throwIfAborted();
      if (stored?.sizeBytes !== sizeBytes || stored.sha256 !== sha256) throw error;
    }
    return { ...digest, multipart: false };
  }

  return async (object) => {
    const { body, expect, signal } = object;
    signal.throwIfAborted();
    const lengthBytes = expect && ('lengthBytes' in expect ? expect.lengthBytes : expect.sizeBytes);
    if (lengthBytes !== undefined && lengthBytes <= partSizeBytes) {
      // Not through partsOf, which nearly doubled the CPU of a picture.
      const { chunks, digest } = await readVerified(body, { expect, idleTimeoutMs, signal });
      return await putWhole(object, chunks, digest);
    }
    // Aborted by the first error, so that the errors that follow from it are not mistaken for the cause.
    const stop = new AbortController();
    const abort = () => stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    const verified = createVerifiedBody(body, { expect, idleTimeoutMs, signal: stop.signal });
    try {
      const parts = partsOf(verified.chunks, partSizeBytes);
      try {
        const first = await parts.next();
        if (first.done) throw new Error('a body has at least one part');
        if (first.value.last) return await putWhole(object, first.value.chunks, verified.digest());
        await multipart.send(object, { first: first.value, others: parts, body: verified, stop });
        return { ...verified.digest(), multipart: true };
      } finally {
        // Closes the source where it was not read to its end.
        await parts.return();
      }
    } finally {
      signal.removeEventListener('abort', abort);
    }
  };
}
