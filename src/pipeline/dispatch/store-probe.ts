/** A small object put into the store to see whether it takes anything at all. */
import { randomUUID } from 'node:crypto';
import { type Failure, FailureError, failure } from '../../failures.ts';
import type { Store } from '../../storage/store.ts';

/** Undefined: the store took it. */
export type StoreProbe = (signal: AbortSignal) => Promise<Failure | undefined>;

/** Longer than a store that works ever needs for a hundred bytes: three requests and the pauses between them. */
const ANSWER_MS = 10_000;
const CONTENT = Buffer.from('wechat-media-archiver was here to see whether it may write.\n');

/**
 * Puts and removes `{prefix}.probe/{uuid}`. Only the put is judged: a key that may write and not delete archives as
 * well as any. Each its own key, since under a retention rule an object cannot be written over.
 */
export function createStoreProbe(
  store: Pick<Store, 'put' | 'delete'>,
  prefix: string,
  timeoutMs = ANSWER_MS,
): StoreProbe {
  return async (signal) => {
    const key = `${prefix}.probe/${randomUUID()}`;
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      await store.put({
        key,
        body: (async function* () {
          yield CONTENT;
        })(),
        expect: { lengthBytes: CONTENT.byteLength },
        contentType: 'text/plain',
        disposition: 'attachment',
        metadata: {},
        signal: within,
      });
    } catch (error) {
      signal.throwIfAborted();
      // It may have been done, and only the answer lost.
      await store.delete(key, within).catch(() => undefined);
      if (error instanceof FailureError && error.failure.class === 'store') return error.failure;
      if (within.aborted) return failure('store_unavailable', `no answer within ${timeoutMs} ms`).failure;
      throw error;
    }
    await store.delete(key, within).catch(() => undefined);
    return undefined;
  };
}
