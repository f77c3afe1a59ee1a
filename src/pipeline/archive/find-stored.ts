/** Searches the bucket for an item before it is closed or attempted again: it may be stored without its row knowing. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { MediaRow } from '../../catalogue/media/row.ts';
import type { FoundObject } from '../../catalogue/verification/objects.ts';
import { FailureError } from '../../failures.ts';
import { keyPrefixOf } from '../../media.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../storage/store.ts';
import { digestOf } from './digest.ts';
import { describeObject } from './object-metadata.ts';

export interface StoredObjectsDeps {
  store: Pick<Store, 'bucket' | 'head' | 'get' | 'list'>;
  catalogue: { media: Pick<Catalogue['media'], 'get'>; objects: Pick<Catalogue['objects'], 'adopt'> };
  clock: Pick<Clock, 'now'>;
  log: Pick<Log, 'info' | 'warn'>;
  prefix: string;
}

export interface StoredObjects {
  /**
   * Resolves with the row's object, where it is in the bucket, whole, and its metadata names this item. It is searched
   * under the row's key or, where the row has none, under the keys it could have. Undefined also where the store denies
   * access to it. Rejects where the store is unavailable or its configuration wrong.
   */
  find(row: MediaRow, signal: AbortSignal): Promise<FoundObject | undefined>;
  /** Finds the object and archives the row with it. True: the row needs nothing more. */
  adopt(row: MediaRow, why: string, signal: AbortSignal): Promise<boolean>;
}

/** Access was denied to this key or request alone; a wrong access key or bucket has another code. */
export const isAccessRefused = (error: unknown): error is FailureError =>
  error instanceof FailureError && error.failure.code === 'store_refused';

/** An item has at most two keys, for WeChat's copy and for the link of its picture; the rest is reserve. */
const KEYS_LIMIT = 10;

/**
 * Resolves with the description of one object and its digest: the recorded one, or that of its bytes. A text is the
 * reason why the object is not ours; undefined where there is none.
 */
export async function readFoundObject(
  store: Pick<Store, 'bucket' | 'head' | 'get'>,
  at: { key: string; modifiedAt?: Date | undefined },
  signal: AbortSignal,
): Promise<FoundObject | string | undefined> {
  const object = await store.head(at.key, signal);
  if (!object) return undefined;
  const found = describeObject({ bucket: store.bucket, ...at }, object);
  if (typeof found === 'string') return found;
  const recorded = /^[0-9a-f]{64}$/.test(object.sha256 ?? '') ? object.sha256 : undefined;
  if (recorded) return { ...found, stored: { ...found.stored, sha256: recorded } };
  const stored = await store.get(at.key, { signal });
  if (!stored) return undefined;
  const { sha256, sizeBytes } = await digestOf(stored.body, signal);
  if (sizeBytes !== object.sizeBytes) return `HEAD says ${object.sizeBytes} bytes, and it has ${sizeBytes}`;
  return { ...found, stored: { ...found.stored, sha256 } };
}

export function createStoredObjects({
  store,
  catalogue,
  clock,
  log,
  prefix,
}: StoredObjectsDeps): StoredObjects {
  async function keysOf(
    row: MediaRow,
    signal: AbortSignal,
  ): Promise<{ key: string; modifiedAt?: Date | undefined }[]> {
    if (row.objectKey) return row.bucket === store.bucket ? [{ key: row.objectKey }] : [];
    if (!row.sentAt) return [];
    // The extension of a key is known only once the bytes are.
    const keyPrefix = keyPrefixOf({ prefix, account: row.account, sentAt: row.sentAt, id: row.id });
    return (await store.list({ prefix: keyPrefix, pageSize: KEYS_LIMIT, signal })).objects.slice();
  }

  let isWarned = false;

  /**
   * Access is denied to an absent object where the access key lacks `s3:ListBucket`. Undefined then: no row waits for a
   * right that it may never get.
   */
  function refused(error: unknown): undefined {
    if (!isAccessRefused(error)) throw error;
    if (!isWarned)
      log.warn({ failure: error.failure }, 'archive: no right to list the bucket (s3:ListBucket)');
    isWarned = true;
  }

  async function find(row: MediaRow, signal: AbortSignal): Promise<FoundObject | undefined> {
    for (const at of (await keysOf(row, signal).catch(refused)) ?? []) {
      const found = await readFoundObject(store, at, signal).catch(refused);
      if (found && typeof found !== 'string' && found.id === row.id) return found;
    }
    return undefined;
  }

  return {
    find,
    adopt: async (row, why, signal) => {
      const found = await find(row, signal);
      if (!found) return false;
      const outcome = await catalogue.objects.adopt(found, { actor: 'archiver', reason: why }, clock.now());
      if (outcome !== 'known')
        log.info({ id: row.id, key: found.stored.objectKey, why }, 'archive: found in the bucket');
      return true;
    },
  };
}
