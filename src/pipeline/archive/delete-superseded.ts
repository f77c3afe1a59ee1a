/** What becomes of an object whose try lost: another generation was faster, or the media has been erased meanwhile. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { StoredAt } from '../../catalogue/erasure/media-erasure.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Store } from '../../storage/store.ts';

export interface SupersededDeps {
  catalogue: {
    media: Pick<Catalogue['media'], 'get'>;
    mediaErasure: Pick<Catalogue['mediaErasure'], 'reopen'>;
  };
  store: Pick<Store, 'delete'>;
  clock: Pick<Clock, 'now'>;
}

/**
 * Removes the object, unless the row names it. Of an erased media the row learns of it first: should the store be away
 * now, or this process die, the erasure is open again and whoever retries it removes the object.
 */
export async function deleteSuperseded(
  { catalogue, store, clock }: SupersededDeps,
  id: string,
  at: StoredAt,
  signal: AbortSignal,
): Promise<void> {
  const isErased = await catalogue.mediaErasure.reopen(id, at, clock.now());
  if (!isErased && (await catalogue.media.get(id))?.objectKey === at.key) return;
  await store.delete(at.key, signal);
}
