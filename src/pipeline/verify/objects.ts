/** Verifies objects against rows: each object in the bucket has a row in the catalogue. */
import type { ObjectRow } from '../../catalogue/verification/objects.ts';
import type { VerificationOptions } from '../../catalogue/verification/verifications.ts';
import type { ListPage } from '../../storage/store.ts';
import { readFoundObject } from '../archive/find-stored.ts';
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

/** `adopt`: objects get their rows. `report`: nothing changes, except that leftovers are deleted with `remove`. */
export function scanObjects(mode: 'adopt' | 'report'): Scan {
  return async (deps, context, after, signal) => {
    const { prefix, store } = deps;
    const { objects, cursor } = await store.list({
      prefix,
      // A key and not the store's continuation token, which may be invalid tomorrow.
      startAfter: after || undefined,
      pageSize: PAGE_SIZE,
      signal,
    });
    const ids = objects.flatMap(({ key }) => idOfKey(key) ?? []);
    const rows = ids.length > 0 ? await deps.catalogue.objects.rowsById(ids) : new Map<string, ObjectRow>();
    const { results, isComplete } = await checkInOrder(objects, deps.pageMs, (object) => {
      const id = idOfKey(object.key);
      const row = id === undefined ? undefined : rows.get(id);
      return checkObject(deps, context, { object, row, mode }, signal).catch(
        async (error): Promise<CheckResult> => {
          const detail = await describeSingleFailure(deps, error, signal);
          return { what: 'unreadable', finding: { what: 'unreadable', id, objectKey: object.key, detail } };
        },
      );
    });
    const last = objects[results.length - 1]?.key;
    return { results, next: isComplete && !cursor ? undefined : last };
  };
}

/** Decides by the account and the UTC day in the key. A day that is partly inside is checked whole. */
function isOutside(key: string, prefix: string, { filter }: VerificationOptions): boolean {
  if (!filter) return false;
  const { accounts, sentFrom, sentTo } = filter;
  const [account = '', year, month, day] = key.slice(prefix.length).split('/');
  const startsAtMs = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(startsAtMs) || (accounts && !accounts.includes(account))) return true;
  if (sentFrom && startsAtMs + DAY_MS <= Date.parse(sentFrom)) return true;
  return sentTo !== undefined && startsAtMs >= Date.parse(sentTo);
}

async function checkObject(
  deps: ScanDeps,
  context: ScanContext,
  given: { object: Listed; row: ObjectRow | undefined; mode: 'adopt' | 'report' },
  signal: AbortSignal,
): Promise<CheckResult> {
  const { store } = deps;
  const { object, row, mode } = given;
  const { key } = object;
  const id = idOfKey(key);
  const report = (what: string, detail?: string): CheckResult => ({
    what,
    finding: { what, id, objectKey: key, detail },
  });
  // A probe deletes its object itself.
  if (key.startsWith(`${deps.prefix}.probe/`)) return { what: 'probe' };
  if (isOutside(key, deps.prefix, context.options)) return { what: 'outside' };
  if (id === undefined) return report('foreign', 'its key is not one this program gives');
  if (row?.status === 'archived' && row.objectKey === key && row.bucket === store.bucket)
    return { what: 'known' };
  await context.objects(1, signal);
  if (row?.status === 'erased') return await checkLeftover(deps, context, object, report, 'erased', signal);
  if (row?.status === 'archived')
    return await checkLeftover(deps, context, object, report, 'leftover', signal);
  const found = await readFoundObject(store, { key, modifiedAt: object.modifiedAt }, signal);
  if (!found) return { what: 'changed' };
  if (typeof found === 'string') return report('foreign', found);
  if (mode === 'report' || context.options.dryRun)
    return report('adoptable', row ? `its row is ${row.status}` : 'it has no row');
  const outcome = await deps.catalogue.objects.adopt(found, context.by, deps.clock.now());
  // Archived or erased meanwhile: nothing was changed, and the next verification reports it.
  if (outcome === 'known') return { what: 'changed' };
  return report(
    'adopted',
    outcome === 'created' ? 'it had no row' : `its row was ${row?.status ?? 'pending'}`,
  );
}

/** Checks an object of an erased item, or one whose row has its bytes under another key. Only these may be deleted. */
async function checkLeftover(
  { store, catalogue, clock, safeAgeMs }: ScanDeps,
  context: ScanContext,
  { key, modifiedAt }: Listed,
  report: (what: string, detail?: string) => CheckResult,
  what: 'erased' | 'leftover',
  signal: AbortSignal,
): Promise<CheckResult> {
  const object = await store.head(key, signal);
  if (!object) return { what: 'changed' };
  const id = idOfKey(key)!;
  if (object.metadata.id !== id) return report('foreign', 'its metadata is not that of its key');
  const row = await catalogue.media.get(id);
  const reason = what === 'erased' ? 'its item is erased' : `its row has ${row?.objectKey}`;
  if (!context.options.remove) return report(what, reason);
  if (!modifiedAt || clock.now().getTime() - modifiedAt.getTime() < safeAgeMs)
    return report(what, `${reason}; too young to be removed`);
  if (what === 'leftover') {
    const currentKey = row?.status === 'archived' && row.bucket === store.bucket && row.objectKey;
    if (!currentKey || currentKey === key) return { what: 'changed' };
    if ((await store.head(currentKey, signal))?.sizeBytes !== row.sizeBytes)
      return report(what, `${reason}, which is not there whole: not removed`);
  } else if (row?.status !== 'erased') return { what: 'changed' };
  try {
    await store.delete(key, signal);
  } catch (error) {
    return report(what, `${reason}; not removed: ${await describeSingleFailure({ store }, error, signal)}`);
  }
  return report('removed', reason);
}
