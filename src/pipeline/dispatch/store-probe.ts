/** Puts a small object into the store to find out whether it accepts writes at all. */
import { randomUUID } from 'node:crypto';
import { type Failure, FailureError, failure } from '../../failures.ts';
import type { Store } from '../../storage/store.ts';

/** Resolves with the failure of the put, or with undefined where the store accepted it. */
export type StoreProbe = (signal: AbortSignal) => Promise<Failure | undefined>;

/** Longer than a working store needs for a hundred bytes: three requests and the pauses between them. */
const TIMEOUT_MS = 10_000;
const DELETE_TIMEOUT_MS = 2_000;
const CONTENT = Buffer.from('Written by wechat-media-archiver to test whether it may write.\n');

/**
 * Puts and deletes `{prefix}.probe/{uuid}`. Only the put counts: archiving works with an access key that may write and
 * not delete. Each probe has an object key of its own, because a retention rule forbids overwriting.
 */
export function createStoreProbe(
  store: Pick<Store, 'put' | 'delete'>,
  prefix: string,
  timeoutMs = TIMEOUT_MS,
): StoreProbe {
  return async (signal) => {
    const key = `${prefix}.probe/${randomUUID()}`;
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    // With a time of its own: the put may have used up the probe's, and the object may be there all the same.
    const deleteObject = () =>
      store
        .delete(key, AbortSignal.any([signal, AbortSignal.timeout(DELETE_TIMEOUT_MS)]))
        .catch(() => undefined);
    try {
      await store.put({
        key,
        body: (async function* () {
          yield CONTENT;
        })(),
        expect: { lengthBytes: CONTENT.byteLength },
        contentType: 'text/plain',
        contentDisposition: 'attachment',
        metadata: {},
        signal: bounded,
      });
    } catch (error) {
      signal.throwIfAborted();
      // The put may have been done, and only its response lost.
      await deleteObject();
      if (error instanceof FailureError && error.failure.class === 'store') return error.failure;
      if (bounded.aborted) return failure('store_unavailable', `no response within ${timeoutMs} ms`).failure;
      throw error;
    }
    await deleteObject();
    return undefined;
  };
}
