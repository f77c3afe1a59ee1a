/** Verifies rows against objects: each archived row has its object in the bucket, with the same bytes. */
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

/** Scans from the newest row to the oldest: items archived meanwhile are not visited, so the scan always ends. */
export function scanRows(depth: Depth): Scan {
  return async (deps, context, after, signal) => {
    const filter = { ...filterOf(context.options), statuses: ['archived'] as const };
    const pageOf = (limit: number) =>
      deps.catalogue.media.list(filter, { sort: 'sentAt', limit, ...(after ? { cursor: after } : {}) });
    const page = await pageOf(PAGE_SIZE);
    const { results, isComplete } = await checkInOrder(page.items, deps.pageMs, (row) =>
      checkRow(deps, context, row, depth, signal),
    );
    if (isComplete) return { results, next: page.nextCursor };
    // The cursor of a page that holds just these.
    return { results, next: (await pageOf(results.length)).nextCursor };
  };
}

/** The positions that the first 48 bits of an id can have. */
const POSITIONS = 2 ** 48;

/**
 * Divides the ids into `count` ranges of equal width, and returns those numbered [from, to). Ids are digests, so the
 * first row of each range is a fair sample, at a cost that does not grow with the catalogue. Each verification starts
 * at a position of its own inside the first range.
 */
export function sampleRanges(context: { id: string }, count: number, from: number, to: number) {
  const width = POSITIONS / count;
  const phase = (createHash('sha256').update(context.id).digest().readUIntBE(0, 6) / POSITIONS) * width;
  const idAt = (position: number) =>
    position >= POSITIONS ? 'm_g' : `m_${Math.floor(position).toString(16).padStart(12, '0')}`;
  return Array.from({ length: Math.max(0, Math.min(to, count) - from) }, (_, index) => ({
    from: idAt(phase + (from + index) * width),
    to: idAt(phase + (from + index + 1) * width),
  }));
}

export const scanSample: Scan = async (deps, context, after, signal) => {
  const { sample = 0 } = context.options;
  const start = Number(after || 0);
  const end = Math.min(sample, start + PAGE_SIZE);
  const rows = await deps.catalogue.objects.sampleArchived(
    sampleRanges(context, sample, start, end),
    filterOf(context.options),
  );
  // Not ended early where it takes long: a page is a hundred objects at most.
  const results: CheckResult[] = [];
  while (results.length < rows.length) {
    const more = await checkInOrder(rows.slice(results.length), deps.pageMs, (row) =>
      checkRow(deps, context, row, 'bytes', signal),
    );
    results.push(...more.results);
  }
  return { results, next: end < sample ? String(end) : undefined };
};

async function checkRow(
  deps: ScanDeps,
  context: ScanContext,
  row: MediaRow,
  depth: Depth,
  signal: AbortSignal,
): Promise<CheckResult> {
  const result = await compare(deps, context, row, depth, signal);
  if (!result.finding) return result;
  // A row that changed meanwhile (erased, for example) is no drift.
  const now = await deps.catalogue.media.get(row.id);
  const isSame = now?.status === 'archived' && now.objectKey === row.objectKey && now.sha256 === row.sha256;
  return isSame ? result : { what: 'changed', bytes: result.bytes ?? 0 };
}

async function compare(
  { store }: ScanDeps,
  context: ScanContext,
  row: MediaRow,
  depth: Depth,
  signal: AbortSignal,
): Promise<CheckResult> {
  const drift = (what: string, detail?: string, bytes = 0): CheckResult => ({
    what,
    bytes,
    finding: { what, id: row.id, objectKey: row.objectKey, detail },
  });
  await context.objects(1, signal);
  if (row.bucket !== store.bucket) return drift('otherBucket', `it is in the bucket ${row.bucket}`);
  const key = row.objectKey!;
  try {
    const object = await store.head(key, signal);
    if (!object) return drift('missing');
    const { id } = object.metadata;
    if (id !== undefined && id !== row.id) return drift('otherMedia', `its metadata names ${id}`);
    if (object.sizeBytes !== row.sizeBytes)
      return drift('wrongSize', `${object.sizeBytes} bytes, archived were ${row.sizeBytes}`);
    if (object.sha256 !== undefined && object.sha256 !== row.sha256)
      return drift('wrongDigest', `it was put as sha256 ${object.sha256}`);
    if (depth === 'headers') return { what: 'ok' };
    const read = await readObject(store, key, context, signal);
    if (!read) return drift('missing');
    if (read.sizeBytes !== row.sizeBytes)
      return drift('wrongSize', `${read.sizeBytes} bytes, archived were ${row.sizeBytes}`, read.sizeBytes);
    if (read.sha256 !== row.sha256)
      return drift('wrongDigest', `its sha256 is ${read.sha256}`, read.sizeBytes);
    return { what: 'ok', bytes: read.sizeBytes };
  } catch (error) {
    // It may be in cold storage. Without s3:ListBucket a missing object is a 403 too.
    return drift('unreadable', await describeSingleFailure({ store }, error, signal));
  }
}

async function readObject(store: ScanDeps['store'], key: string, context: ScanContext, signal: AbortSignal) {
  const object = await store.get(key, { signal });
  if (!object) return undefined;
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    for await (const chunk of object.body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      await context.bytes(chunk.byteLength, signal);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw failure('store_unavailable', `the response was cut off after ${sizeBytes} bytes`, { cause: error });
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
