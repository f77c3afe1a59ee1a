/** Deletes the object of a superseded attempt: another generation was faster, or the item has been erased meanwhile. */
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
 * Deletes the object, unless the row names it. The row of an erased item records the object first: where the store is
 * unavailable or this process dies, the erasure is open again, and its next attempt deletes the object.
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
