/**
 * Previews: what a browser can show or play of an archived item. Made on demand in a process of its own, kept in a
 * bounded cache, never stored over the original.
 */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { FailureError, failure } from '../failures.ts';
import type { ByteBudget } from '../runtime/concurrency/byte-budget.ts';
import type { Log } from '../runtime/log.ts';
import type { RepeatedLog } from '../runtime/repeated-log.ts';
import type { PreviewCache } from './cache/preview-cache.ts';
import { PICTURE_LIMIT_BYTES, VOICE_LIMIT_BYTES } from './limits.ts';
import { PREVIEW_TYPES, type PreviewFormat } from './preview-format.ts';
import type { ConverterPool } from './process/converter-pool.ts';
import { PreviewRefusedError, PreviewUnavailableError } from './reasons.ts';
import { createRefusals } from './refusals.ts';
import { createSharedWork } from './shared-work.ts';

export interface PreviewItem {
  readonly id: string;
  readonly format: PreviewFormat;
  readonly objectKey: string;
  readonly sizeBytes: number;
  /** Of the archived file, in hexadecimal. */
  readonly sha256: string;
}

export interface Preview {
  readonly contentType: string;
  readonly sizeBytes: number;
  /** Whether it was made for this call, which may have taken seconds. */
  readonly isFresh: boolean;
  /** Returns the bytes from `start` to `end`, both included. To be called once; the stream closes the preview. */
  read(start: number, end: number): Readable;
  /** Must be called if `read` is not. */
  close(): Promise<void>;
}

export interface Previews {
  /**
   * Resolves with the preview; undefined if the object is missing. Rejects with PreviewRefusedError,
   * PreviewUnavailableError, the FailureError of the store, or the signal's reason. Calls for one item share one
   * conversion, which is given up when all of them abort before it runs.
   */
  get(item: PreviewItem, signal: AbortSignal): Promise<Preview | undefined>;
}

/** The store, as far as previews need it. */
export interface ObjectReader {
  get(
    key: string,
    options: { signal: AbortSignal },
  ): Promise<{ readonly status: number; readonly body: Readable } | undefined>;
}

type Outcome = 'made' | 'cached' | 'refused' | 'busy' | 'failed';

export interface PreviewDeps {
  readonly store: ObjectReader;
  readonly budget: Pick<ByteBudget, 'reserve'>;
  readonly cache: PreviewCache;
  readonly pool: Pick<ConverterPool, 'run'>;
  readonly log: Pick<Log, 'warn'>;
  readonly repeatedLog: Pick<RepeatedLog, 'write'>;
  readonly metrics: {
    readonly previews: { inc(labels: { outcome: Outcome }): void };
    readonly previewSeconds: { observe(seconds: number): void };
  };
  /** Aborts when the program closes. */
  readonly signal: AbortSignal;
}

/**
 * The release of the converters, in the ETag and in the names of the cached files: to be raised with every change of what
 * they make. A test compares it with the versions of the decoders.
 */
export const CONVERTER_REVISION = 1;

/** Names the preview: the file from which it is made, and the release of the converters. */
export const previewVersionOf = (sha256: string): string => `${CONVERTER_REVISION}-${sha256.slice(0, 32)}`;

const LIMIT_BYTES = { voice: VOICE_LIMIT_BYTES, picture: PICTURE_LIMIT_BYTES } as const;
/** For the memory that archiving uses, and for the store. */
const RESERVE_TIMEOUT_MS = 20_000;
const FETCH_TIMEOUT_MS = 30_000;
/** Without a cache, slow clients hold previews in memory; beyond this nothing more is converted. */
const HELD_LIMIT_BYTES = 64 * 2 ** 20;

export function createPreviews(deps: PreviewDeps): Previews {
  const { store, budget, cache, pool, metrics } = deps;
  const refusals = createRefusals();
  const conversions = createSharedWork<Buffer | undefined>();
  let heldBytes = 0;

  /** Reads the object into memory. Undefined: there is none. */
  async function fetchObject(item: PreviewItem, signal: AbortSignal): Promise<Buffer[] | undefined> {
    const object = await store.get(item.objectKey, { signal });
    if (!object) return undefined;
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of object.body as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > item.sizeBytes) break;
        chunks.push(chunk);
      }
    } catch (cause) {
      signal.throwIfAborted();
      throw failure('store_unavailable', 'the object was not read to its end', { cause });
    } finally {
      object.body.destroy();
    }
    if (length !== item.sizeBytes) throw new PreviewRefusedError('not_as_archived');
    return chunks;
  }

  async function fetchInTime(item: PreviewItem, signal: AbortSignal): Promise<Buffer[] | undefined> {
    const late = AbortSignal.timeout(FETCH_TIMEOUT_MS);
    try {
      return await fetchObject(item, AbortSignal.any([signal, late]));
    } catch (error) {
      if (late.aborted && !signal.aborted && !(error instanceof FailureError))
        throw failure('store_unavailable', 'the object was not read in time', { cause: error });
      throw error;
    }
  }

  async function reserve(bytes: number, signal: AbortSignal) {
    const late = AbortSignal.timeout(RESERVE_TIMEOUT_MS);
    return await budget.reserve(bytes, AbortSignal.any([signal, late])).catch((cause: unknown) => {
      throw late.aborted && !signal.aborted ? new PreviewUnavailableError('busy', { cause }) : cause;
    });
  }

  async function convert(item: PreviewItem, signal: AbortSignal): Promise<Buffer | undefined> {
    if (heldBytes > HELD_LIMIT_BYTES) throw new PreviewUnavailableError('busy');
    return await pool.run(async (converter) => {
      const reservation = await reserve(item.sizeBytes, signal);
      try {
        const file = await fetchInTime(item, signal);
        return file && (await converter().convert({ format: item.format, sha256: item.sha256 }, file));
      } finally {
        reservation.release();
      }
    }, signal);
  }

  /** Makes the preview and puts it into the cache. */
  async function make(item: PreviewItem, cancelled: AbortSignal): Promise<Buffer | undefined> {
    const startedAt = performance.now();
    const preview = await convert(item, AbortSignal.any([cancelled, deps.signal])).catch((error: unknown) => {
      noteFailure(item, error);
      throw error;
    });
    if (!preview) return undefined;
    metrics.previews.inc({ outcome: 'made' });
    metrics.previewSeconds.observe((performance.now() - startedAt) / 1_000);
    const { extension } = PREVIEW_TYPES[item.format];
    await cache.put({ id: item.id, version: previewVersionOf(item.sha256), extension }, preview);
    return preview;
  }

  /** Counts and remembers what became of a conversion; the log has the details of what should not happen. */
  function noteFailure(item: PreviewItem, error: unknown): void {
    if (error instanceof PreviewRefusedError) {
      refusals.add(keyOf(item), error.reason);
      metrics.previews.inc({ outcome: 'refused' });
      if (error.cause === undefined) return;
      const fields = { id: item.id, reason: error.reason, err: error.cause };
      deps.repeatedLog.write('warn', `preview ${error.reason}`, fields, 'preview: refused');
    } else if (error instanceof PreviewUnavailableError) {
      metrics.previews.inc({ outcome: error.why });
      if (error.why === 'busy' || deps.signal.aborted) return;
      const fields = { id: item.id, err: error.cause };
      deps.repeatedLog.write('warn', 'preview failed', fields, 'preview: converter failed');
    }
  }

  const keyOf = ({ id, sha256 }: PreviewItem) => `${id}.${previewVersionOf(sha256)}`;

  async function find(item: PreviewItem, isFresh: boolean): Promise<Preview | undefined> {
    const cached = await cache.find(item.id, previewVersionOf(item.sha256));
    return cached && fromFile(cached, { contentType: PREVIEW_TYPES[item.format].contentType, isFresh });
  }

  function fromMemory(preview: Buffer, contentType: string): Preview {
    heldBytes += preview.length;
    let isHeld = true;
    const close = async () => {
      if (isHeld) heldBytes -= preview.length;
      isHeld = false;
    };
    return {
      contentType,
      sizeBytes: preview.length,
      isFresh: true,
      read: (start, end) => {
        const stream = Readable.from([preview.subarray(start, end + 1)], { objectMode: false });
        return stream.once('close', () => void close());
      },
      close,
    };
  }

  return {
    get: async (item, signal) => {
      const cached = await find(item, false);
      if (cached) {
        metrics.previews.inc({ outcome: 'cached' });
        return cached;
      }
      const known = refusals.get(keyOf(item));
      if (known) throw new PreviewRefusedError(known);
      if (item.sizeBytes > LIMIT_BYTES[item.format]) throw new PreviewRefusedError('too_large');
      const preview = await conversions.join(keyOf(item), (cancelled) => make(item, cancelled), signal);
      if (!preview) return undefined;
      return (await find(item, true)) ?? fromMemory(preview, PREVIEW_TYPES[item.format].contentType);
    },
  };
}

function fromFile(
  { sizeBytes, handle }: { sizeBytes: number; handle: FileHandle },
  { contentType, isFresh }: Pick<Preview, 'contentType' | 'isFresh'>,
): Preview {
  return {
    contentType,
    sizeBytes,
    isFresh,
    read: (start, end) => handle.createReadStream({ start, end }),
    close: () => handle.close(),
  };
}
