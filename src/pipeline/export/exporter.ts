/**
 * Exports the files of a filter as a ZIP that is streamed: nothing is stored, and memory is bounded. Its manifest lists
 * every item that matched, and why a file is missing. If the store, the catalogue or this process fails in between, the
 * stream breaks off and is not a valid ZIP.
 */
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { MediaFilter } from '../../catalogue/media/filter.ts';
import type { MediaRow } from '../../catalogue/media/row.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../storage/store.ts';
import { entryPathOf, MANIFEST_PATH } from './entry-path.ts';
import { lookAhead } from './look-ahead.ts';
import { createManifest, type Manifest } from './manifest.ts';
import { openObject, readObject, UnreadableObjectError } from './read-object.ts';
import { createZipWriter, type ZipWriter } from './zip-writer.ts';

export const EXPORT_LIMITS = {
  items: 100_000,
  bytes: 100 * 1024 ** 3,
  /** Of all keys together in one process. */
  atOnce: 3,
  /** A client that reads nothing for so long loses its export. */
  stallMs: 60_000,
  /** The longest duration: a client must not keep one of the few places without a limit. */
  totalMs: 6 * 3_600_000,
} as const;

export type ExportLimits = { readonly [K in keyof typeof EXPORT_LIMITS]: number };

export interface ExportRequest {
  readonly filter: MediaFilter;
  /** The name of the key. */
  readonly actor: string;
  readonly reason?: string | undefined;
  /** The filter as it may be stored: without openIds. */
  readonly keptFilter: object;
}

export interface StartedExport {
  readonly id: string;
  readonly matched: number;
  readonly stream: Readable;
}

/** `key`: the key has an export in progress; `all`: as many as this process does are in progress. */
export class ExportBusyError extends Error {
  override readonly name = 'ExportBusyError';
  readonly of: 'key' | 'all';
  constructor(of: 'key' | 'all') {
    super('too many exports are in progress');
    this.of = of;
  }
}

/** The filter matches more than {@link EXPORT_LIMITS} allow. */
export class ExportTooLargeError extends Error {
  override readonly name = 'ExportTooLargeError';
}

export interface Exporter {
  /**
   * Counts what the filter matches, writes an entry into the audit log, and begins. The stream ends the export when it is
   * destroyed, and is destroyed with the error when the export fails. Throws ExportBusyError or ExportTooLargeError.
   */
  start(request: ExportRequest): Promise<StartedExport>;
}

export interface ExporterDeps {
  catalogue: {
    media: Pick<Catalogue['media'], 'list' | 'get'>;
    selections: Pick<Catalogue['selections'], 'total'>;
    auditLog: Pick<Catalogue['auditLog'], 'write'>;
  };
  store: Pick<Store, 'bucket' | 'get'>;
  clock: Pick<Clock, 'now'>;
  log: Pick<Log, 'info' | 'warn'>;
  shutdown: { readonly signal: AbortSignal };
}

const PAGE = 200;
/** Objects up to this size are read whole and ahead: their digest is proven before they are added. */
const SMALL_BYTES = 1024 * 1024;
const AHEAD = 4;

type ArchivedRow = MediaRow & { readonly objectKey: string };
/** What is to be added for an item: its bytes, the stream of them, or only a line in the manifest. */
type Prepared =
  | { readonly row: MediaRow; readonly failure: string }
  | { readonly row: ArchivedRow; readonly bytes?: Buffer };

export function createExporter(deps: ExporterDeps, limits: ExportLimits = EXPORT_LIMITS): Exporter {
  const { catalogue, store, clock, log, shutdown } = deps;
  const running = new Set<string>();

  async function* rowsOf(filter: MediaFilter): AsyncGenerator<MediaRow> {
    let cursor: string | undefined;
    let count = 0;
    do {
      const page = await catalogue.media.list(filter, {
        sort: 'sentAt',
        limit: PAGE,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const row of page.items) if (count++ < limits.items) yield row;
      cursor = page.nextCursor;
    } while (cursor !== undefined && count < limits.items);
  }

  async function prepare(row: MediaRow, signal: AbortSignal): Promise<Prepared> {
    signal.throwIfAborted();
    if (!isArchived(row)) {
      const code = row.failure ? ` (${row.failure.errcode ?? row.failure.code})` : '';
      return { row, failure: `not archived: ${row.status}${code}` };
    }
    if (row.bucket !== store.bucket) return { row, failure: `in another bucket: ${row.bucket}` };
    const { objectKey, sizeBytes = 0, sha256 } = row;
    if (sizeBytes > SMALL_BYTES) return { row };
    try {
      return { row, bytes: await readObject(store, objectKey, { sizeBytes, sha256, signal }) };
    } catch (error) {
      if (error instanceof UnreadableObjectError) return { row, failure: error.message };
      throw error;
    }
  }

  /** Adds one item. Its row may be minutes old, and the item erased since. */
  async function add(zip: ZipWriter, manifest: Manifest, prepared: Prepared, signal: AbortSignal) {
    const { row } = prepared;
    const current = await catalogue.media.get(row.id);
    if (!current || current.status === 'erased') {
      const { id, account, attempts, createdAt, updatedAt } = current ?? row;
      const bare = { id, account, attempts, createdAt, updatedAt, status: 'erased' as const };
      return manifest.add(bare, { failure: 'erased during the export' });
    }
    if ('failure' in prepared) return manifest.add(row, { failure: prepared.failure });
    const { objectKey, sizeBytes = 0, sentAt: at = clock.now() } = prepared.row;
    const path = entryPathOf(prepared.row);
    if (prepared.bytes) {
      await zip.addBuffer(path, prepared.bytes, at);
      return manifest.add(row, { path });
    }
    const source = await openObject(store, objectKey, { sizeBytes, signal }).catch((error: unknown) => {
      if (!(error instanceof UnreadableObjectError)) throw error;
      manifest.add(row, { failure: error.message });
      return undefined;
    });
    if (!source) return;
    await zip.addStream(path, source, { sizeBytes, at });
    manifest.add(row, { path });
  }

  async function write(zip: ZipWriter, filter: MediaFilter, signal: AbortSignal): Promise<void> {
    const manifest = createManifest();
    const items = lookAhead(rowsOf(filter), (row) => prepare(row, signal), AHEAD);
    for await (const prepared of items) {
      signal.throwIfAborted();
      await add(zip, manifest, prepared, signal);
    }
    await zip.addText(MANIFEST_PATH, manifest.chunks(), clock.now());
    signal.throwIfAborted();
    zip.end();
  }

  function begin(request: ExportRequest, id: string, release: () => void): Readable {
    const closing = new AbortController();
    const signal = AbortSignal.any([shutdown.signal, closing.signal, AbortSignal.timeout(limits.totalMs)]);
    const stall = setTimeout(() => {
      // Bytes wait for the client, and it has read none of them. Where none wait, the store is slow and not the client.
      if (zip.stream.readableLength === 0) stall.refresh();
      else closing.abort(new Error(`the client has read nothing for ${limits.stallMs} ms`));
    }, limits.stallMs);
    const zip = createZipWriter({ signal, onRead: () => void stall.refresh() });
    zip.stream.once('close', () => {
      clearTimeout(stall);
      closing.abort(new Error('the client is gone'));
    });
    write(zip, request.filter, signal)
      .then(
        () => log.info({ export: id, by: request.actor }, 'export: done'),
        (error: Error) => {
          log.warn({ export: id, by: request.actor, err: error }, 'export: ended early');
          zip.stream.destroy(error);
        },
      )
      .finally(release);
    return zip.stream;
  }

  return {
    start: async (request) => {
      shutdown.signal.throwIfAborted();
      const { actor, filter, keptFilter, reason } = request;
      if (running.has(actor)) throw new ExportBusyError('key');
      if (running.size >= limits.atOnce) throw new ExportBusyError('all');
      running.add(actor);
      const release = () => void running.delete(actor);
      try {
        const { matched, bytes } = await catalogue.selections.total(filter, limits.items + 1);
        if (matched > limits.items || bytes > limits.bytes) throw new ExportTooLargeError();
        const id = `x_${randomBytes(16).toString('hex')}`;
        const what = `${matched} items, ${bytes} bytes, filter ${JSON.stringify(keptFilter)}`;
        const entry = {
          at: clock.now(),
          actor,
          action: 'export',
          target: id,
          accounts: filter.accounts,
        } as const;
        await catalogue.auditLog.write({ ...entry, reason: reason ? `${reason} (${what})` : what });
        log.info({ export: id, matched, bytes, by: actor }, 'export: started');
        return { id, matched, stream: begin(request, id, release) };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

const isArchived = (row: MediaRow): row is ArchivedRow =>
  row.status === 'archived' && row.objectKey !== undefined;
