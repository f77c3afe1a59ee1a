/** From objects to rows: what lies in the bucket, and does the catalogue know of it? */
import type { ObjectRow } from '../../catalogue/verification/objects.ts';
import type { VerificationOptions } from '../../catalogue/verification/verifications.ts';
import type { ListPage } from '../../storage/store.ts';
import { examine } from '../archive/find-stored.ts';
import { idOfKey } from '../archive/object-metadata.ts';
import {
  type CheckResult,
  checkInOrder,
  describeSingleFailure,
  PAGE_SIZE,
  type Scan,
  type ScanContext,
  type ScanDeps,
} from './page.ts';

type Listed = ListPage['objects'][number];

const DAY_MS = 24 * 3_600_000;

/** `adopt`: objects get their rows. `report`: nothing is changed, but for leftovers where `remove` was asked for. */
export function scanObjects(deed: 'adopt' | 'report'): Scan {
  return async (deps, of, after, signal) => {
    const { prefix, store } = deps;
    const { objects, cursor } = await store.list({
      prefix,
      // Our own place, not the store's token: that one may be of no use tomorrow.
      startAfter: after || undefined,
      pageSize: PAGE_SIZE,
      signal,
    });
    const ids = objects.flatMap(({ key }) => idOfKey(key) ?? []);
    const rows = ids.length > 0 ? await deps.catalogue.objects.rowsById(ids) : new Map<string, ObjectRow>();
    const { looked, all } = await checkInOrder(objects, deps.pageMs, (object) => {
      const id = idOfKey(object.key);
      const row = id === undefined ? undefined : rows.get(id);
      return lookAtObject(deps, of, { object, row, deed }, signal).catch(
        async (error): Promise<CheckResult> => {
          const detail = await describeSingleFailure(deps, error, signal);
          return { what: 'unreadable', finding: { what: 'unreadable', id, objectKey: object.key, detail } };
        },
      );
    });
    const last = objects[looked.length - 1]?.key;
    return { results: looked, next: all && !cursor ? undefined : last };
  };
}

/** By the account and the UTC day in its key. A day that the times cut is looked at whole. */
function isOutside(key: string, prefix: string, { filter }: VerificationOptions): boolean {
  if (!filter) return false;
  const { accounts, sentFrom, sentTo } = filter;
  const [account = '', year, month, day] = key.slice(prefix.length).split('/');
  const beginsMs = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(beginsMs) || (accounts && !accounts.includes(account))) return true;
  if (sentFrom && beginsMs + DAY_MS <= Date.parse(sentFrom)) return true;
  return sentTo !== undefined && beginsMs >= Date.parse(sentTo);
}

async function lookAtObject(
  deps: ScanDeps,
  of: ScanContext,
  given: { object: Listed; row: ObjectRow | undefined; deed: 'adopt' | 'report' },
  signal: AbortSignal,
): Promise<CheckResult> {
  const { store } = deps;
  const { object, row, deed } = given;
  const { key } = object;
  const id = idOfKey(key);
  const told = (what: string, detail?: string): CheckResult => ({
    what,
    finding: { what, id, objectKey: key, detail },
  });
  // What the probe is about to remove again.
  if (key.startsWith(`${deps.prefix}.probe/`)) return { what: 'probe' };
  if (isOutside(key, deps.prefix, of.options)) return { what: 'outside' };
  if (id === undefined) return told('foreign', 'its key is not one this program gives');
  if (row?.status === 'archived' && row.objectKey === key && row.bucket === store.bucket)
    return { what: 'known' };
  await of.objects(1, signal);
  if (row?.status === 'erased') return await leftBehind(deps, of, object, told, 'erased', signal);
  if (row?.status === 'archived') return await leftBehind(deps, of, object, told, 'leftover', signal);
  const found = await examine(store, { key, modifiedAt: object.modifiedAt }, signal);
  if (!found) return { what: 'changed' };
  if (typeof found === 'string') return told('foreign', found);
  if (deed === 'report' || of.options.dryRun)
    return told('adoptable', row ? `its row is ${row.status}` : 'it has no row');
  const outcome = await deps.catalogue.objects.adopt(found, of.by, deps.clock.now());
  // Archived or erased since it was looked at: nothing was changed, and the next comparison tells.
  if (outcome === 'known') return { what: 'changed' };
  return told('adopted', outcome === 'created' ? 'it had no row' : `its row was ${row?.status ?? 'pending'}`);
}

/** An object of an erased media, or one whose row has its bytes under another key: only these may be removed. */
async function leftBehind(
  { store, catalogue, clock, safeAgeMs }: ScanDeps,
  of: ScanContext,
  { key, modifiedAt }: Listed,
  told: (what: string, detail?: string) => CheckResult,
  what: 'erased' | 'leftover',
  signal: AbortSignal,
): Promise<CheckResult> {
  const object = await store.head(key, signal);
  if (!object) return { what: 'changed' };
  const id = idOfKey(key)!;
  if (object.metadata.id !== id) return told('foreign', 'its metadata is not that of its key');
  const row = await catalogue.media.get(id);
  const reason = what === 'erased' ? 'its media is erased' : `its row has ${row?.objectKey}`;
  if (!of.options.remove) return told(what, reason);
  if (!modifiedAt || clock.now().getTime() - modifiedAt.getTime() < safeAgeMs)
    return told(what, `${reason}; too young to be removed`);
  if (what === 'leftover') {
    const kept = row?.status === 'archived' && row.bucket === store.bucket && row.objectKey;
    if (!kept || kept === key) return { what: 'changed' };
    if ((await store.head(kept, signal))?.sizeBytes !== row.sizeBytes)
      return told(what, `${reason}, which is not there whole: kept`);
  } else if (row?.status !== 'erased') return { what: 'changed' };
  try {
    await store.delete(key, signal);
  } catch (error) {
    return told(what, `${reason}; not removed: ${await describeSingleFailure({ store }, error, signal)}`);
  }
  return told('removed', reason);
}
