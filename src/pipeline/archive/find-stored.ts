/** Asking the bucket before a media is given up, or fetched again: it may be there, whole, and only the row not know. */
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
   * The row's object, where it is in the bucket whole and says that it is this media's; looked for under the row's
   * key, or, where the row has none, under the keys it could have. Undefined too where the store refuses to tell.
   * Rejects where the store is away or wrong as a whole.
   */
  find(row: MediaRow, signal: AbortSignal): Promise<FoundObject | undefined>;
  /** Finds it and archives the row with it. True: the row needs nothing more. */
  adopt(row: MediaRow, why: string, signal: AbortSignal): Promise<boolean>;
}

/** Refused for this key or request alone; a wrong key or bucket, or silence, is something else. */
export const isAccessRefused = (error: unknown): error is FailureError =>
  error instanceof FailureError && error.failure.code === 'store_refused';

/** Keys of one media: by WeChat's copy and by the link of its picture, and room for what nobody thought of. */
const KEYS_LIMIT = 10;

/** One object, described and with its digest: the recorded one, or that of its bytes. A text: why it is not ours. */
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
    // Its extension is known only once its bytes are.
    const stem = keyPrefixOf({ prefix, account: row.account, sentAt: row.sentAt, id: row.id });
    return (await store.list({ prefix: stem, pageSize: KEYS_LIMIT, signal })).objects.slice();
  }

  let isTold = false;

  /**
   * A key without `s3:ListBucket` is refused for an object that is not there. Undefined then: it is not known, and no
   * row waits for a right that it may never get.
   */
  function refused(error: unknown): undefined {
    if (!isAccessRefused(error)) throw error;
    if (!isTold)
      log.warn({ failure: error.failure }, 'the bucket does not tell what it holds (s3:ListBucket)');
    isTold = true;
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
        log.info({ id: row.id, key: found.stored.objectKey, why }, 'found in the bucket, whole');
      return true;
    },
  };
}
