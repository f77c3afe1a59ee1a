/** From rows to objects: is what the catalogue promises in the bucket, and the very bytes? */
import { createHash } from 'node:crypto';
import type { MediaRow } from '../../catalogue/media/row.ts';
import type { ObjectFilter } from '../../catalogue/verification/objects.ts';
import type { VerificationOptions } from '../../catalogue/verification/verifications.ts';
import { failure } from '../../failures.ts';
import {
  type CheckResult,
  checkInOrder,
  describeSingleFailure,
  PAGE_SIZE,
  type Scan,
  type ScanContext,
  type ScanDeps,
} from './page.ts';

type Depth = 'bytes' | 'headers';

export function filterOf(options: VerificationOptions): ObjectFilter {
  const { accounts, sentFrom, sentTo } = options.filter ?? {};
  return {
    ...(accounts ? { accounts } : {}),
    ...(sentFrom ? { sentFrom: new Date(sentFrom) } : {}),
    ...(sentTo ? { sentTo: new Date(sentTo) } : {}),
  };
}

/** Newest first, so that what is archived meanwhile is behind us: it ends, however busy the service is. */
export function scanRows(depth: Depth): Scan {
  return async (deps, of, after, signal) => {
    const filter = { ...filterOf(of.options), statuses: ['archived'] as const };
    const pageOf = (limit: number) =>
      deps.catalogue.media.list(filter, { sort: 'sentAt', limit, ...(after ? { cursor: after } : {}) });
    const page = await pageOf(PAGE_SIZE);
    const { looked, all } = await checkInOrder(page.items, deps.pageMs, (row) =>
      lookAtRow(deps, of, row, depth, signal),
    );
    if (all) return { results: looked, next: page.nextCursor };
    // Where a page of just these ends.
    return { results: looked, next: (await pageOf(looked.length)).nextCursor };
  };
}

const PLACES = 2 ** 48;

/**
 * `count` neighbouring ranges of ids of equal width, those numbered [from, to). Ids are digests, so the first row of
 * each is a fair sample, at a cost that does not grow with the catalogue. Every comparison begins at a place of its
 * own inside the first range.
 */
export function sampleRanges(of: { id: string }, count: number, from: number, to: number) {
  const width = PLACES / count;
  const phase = (createHash('sha256').update(of.id).digest().readUIntBE(0, 6) / PLACES) * width;
  const idAt = (place: number) =>
    place >= PLACES ? 'm_g' : `m_${Math.floor(place).toString(16).padStart(12, '0')}`;
  return Array.from({ length: Math.max(0, Math.min(to, count) - from) }, (_, index) => ({
    from: idAt(phase + (from + index) * width),
    to: idAt(phase + (from + index + 1) * width),
  }));
}

export const scanSample: Scan = async (deps, of, after, signal) => {
  const { sample = 0 } = of.options;
  const begin = Number(after || 0);
  const end = Math.min(sample, begin + PAGE_SIZE);
  const rows = await deps.catalogue.objects.sampleArchived(
    sampleRanges(of, sample, begin, end),
    filterOf(of.options),
  );
  // Not cut short where it takes long: a page is a hundred objects at most.
  const looked: CheckResult[] = [];
  while (looked.length < rows.length) {
    const more = await checkInOrder(rows.slice(looked.length), deps.pageMs, (row) =>
      lookAtRow(deps, of, row, 'bytes', signal),
    );
    looked.push(...more.looked);
  }
  return { results: looked, next: end < sample ? String(end) : undefined };
};

async function lookAtRow(
  deps: ScanDeps,
  of: ScanContext,
  row: MediaRow,
  depth: Depth,
  signal: AbortSignal,
): Promise<CheckResult> {
  const looked = await compare(deps, of, row, depth, signal);
  if (!looked.finding) return looked;
  // Erased, say, while it was looked at: that is no drift.
  const now = await deps.catalogue.media.get(row.id);
  const isSame = now?.status === 'archived' && now.objectKey === row.objectKey && now.sha256 === row.sha256;
  return isSame ? looked : { what: 'changed', bytes: looked.bytes ?? 0 };
}

async function compare(
  { store }: ScanDeps,
  of: ScanContext,
  row: MediaRow,
  depth: Depth,
  signal: AbortSignal,
): Promise<CheckResult> {
  const drift = (what: string, detail?: string, bytes = 0): CheckResult => ({
    what,
    bytes,
    finding: { what, id: row.id, objectKey: row.objectKey, detail },
  });
  await of.objects(1, signal);
  if (row.bucket !== store.bucket) return drift('otherBucket', `it is in the bucket ${row.bucket}`);
  const key = row.objectKey!;
  try {
    const object = await store.head(key, signal);
    if (!object) return drift('missing');
    const { id } = object.metadata;
    if (id !== undefined && id !== row.id) return drift('otherMedia', `it says that it is ${id}`);
    if (object.sizeBytes !== row.sizeBytes)
      return drift('wrongSize', `${object.sizeBytes} bytes, archived were ${row.sizeBytes}`);
    if (object.sha256 !== undefined && object.sha256 !== row.sha256)
      return drift('wrongDigest', `it was put as sha256 ${object.sha256}`);
    if (depth === 'headers') return { what: 'ok' };
    const read = await readThrough(store, key, of, signal);
    if (!read) return drift('missing');
    if (read.sizeBytes !== row.sizeBytes)
      return drift('wrongSize', `${read.sizeBytes} bytes, archived were ${row.sizeBytes}`, read.sizeBytes);
    if (read.sha256 !== row.sha256)
      return drift('wrongDigest', `its sha256 is ${read.sha256}`, read.sizeBytes);
    return { what: 'ok', bytes: read.sizeBytes };
  } catch (error) {
    // In cold storage, perhaps. A 403 is also said of one that is not there to a key without s3:ListBucket.
    return drift('unreadable', await describeSingleFailure({ store }, error, signal));
  }
}

async function readThrough(store: ScanDeps['store'], key: string, of: ScanContext, signal: AbortSignal) {
  const object = await store.get(key, { signal });
  if (!object) return undefined;
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    for await (const chunk of object.body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      await of.bytes(chunk.byteLength, signal);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw failure('store_unavailable', `it broke off after ${sizeBytes} bytes`, { cause: error });
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
