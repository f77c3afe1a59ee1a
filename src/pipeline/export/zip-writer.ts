/**
 * Writes a ZIP as a stream, one entry after the other, as fast as its reader reads. The central directory, without which
 * no program accepts a ZIP, is written by `end` only: a stream that breaks before is never a valid ZIP.
 */
import { once } from 'node:events';
import { Readable, Transform } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';

export interface ZipWriter {
  readonly stream: Readable;
  /** Resolves when the reader is ready for more. */
  addBuffer(path: string, bytes: Buffer, at: Date): Promise<void>;
  /** Resolves when the source has been read to its end. Rejects where it ends early, or has another size. */
  addStream(path: string, source: AsyncIterable<Buffer>, of: { sizeBytes: number; at: Date }): Promise<void>;
  /** Adds a file that is worth compressing. */
  addText(path: string, chunks: readonly Buffer[], at: Date): Promise<void>;
  /** Writes the central directory. */
  end(): void;
}

export interface ZipWriterOptions {
  readonly signal: AbortSignal;
  /** Called when the reader has read a part of the stream. */
  onRead?(): void;
  /** For tests: ZIP64 is otherwise used from 4 GiB or 65,535 entries on. */
  readonly forceZip64?: boolean;
}

/** Media items are compressed already: deflating them again costs a second of CPU for 30 MB, and saves nothing. */
const STORED = { compress: false } as const;
const HIGH_WATER_BYTES = 256 * 1024;

/**
 * yazl looks for its next entry from the first one at every step: 66,000 entries took minutes. Entries that are written
 * are therefore kept apart, and put back for the central directory. Each also keeps its bytes by `doFileDataPump`, which
 * is removed; and its name lies in a slab of 8 KiB that Node shares with the bytes of small files, so it is copied: 100,000
 * files of 1 KB took 270 MB. None of this is in its documentation, so the version is pinned, and a test counts.
 */
interface Entries {
  entries: { readonly state: number; doFileDataPump: unknown; utf8FileName: Buffer }[];
}
const SLAB_BYTES = 64 * 1024;
const ENTRY_DONE = 3;

/** Returns a function that copies short buffers into slabs which hold nothing else. */
function createKeeper(): (bytes: Buffer) => Buffer {
  let slab = Buffer.alloc(0);
  return (bytes) => {
    if (slab.length < bytes.length) slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes.length));
    const kept = slab.subarray(0, bytes.length);
    bytes.copy(kept);
    slab = slab.subarray(bytes.length);
    return kept;
  };
}

/** `signal` ends it at any time: the stream is destroyed with the signal's reason. */
export function createZipWriter({ signal, onRead, forceZip64 = false }: ZipWriterOptions): ZipWriter {
  const zip = new ZipFile() as ZipFile & Entries;
  const written: Entries['entries'] = [];
  const keep = createKeeper();
  const output = zip.outputStream as Transform;
  const stream = new Transform({
    highWaterMark: HIGH_WATER_BYTES,
    transform: (chunk, _encoding, done) => {
      onRead?.();
      done(null, chunk);
    },
  });
  zip.on('error', (error: Error) => output.destroy(error));
  // It destroys both at an error of one of them. The reader finds the error in `stream`.
  pipeline(output, stream, { signal }).catch(() => undefined);

  async function drained(): Promise<void> {
    for (let [entry] = zip.entries; entry?.state === ENTRY_DONE; [entry] = zip.entries) {
      entry.doFileDataPump = undefined;
      entry.utf8FileName = keep(entry.utf8FileName);
      written.push(entry);
      zip.entries.shift();
    }
    signal.throwIfAborted();
    if (output.destroyed) throw output.errored ?? new Error('the stream of the ZIP is closed');
    // The stream is destroyed when the signal aborts or its reader is gone; 'drain' would then never come.
    if (output.writableNeedDrain) await once(output, 'drain', { signal });
  }

  async function addSource(source: Readable, add: () => void): Promise<void> {
    add();
    try {
      await finished(source, { signal, writable: false });
      await drained();
    } finally {
      source.destroy();
    }
  }

  const common = { forceZip64Format: forceZip64 };
  return {
    stream,
    addBuffer: async (path, bytes, mtime) => {
      zip.addBuffer(bytes, path, { ...STORED, ...common, mtime });
      await drained();
    },
    addStream: async (path, source, { sizeBytes, at }) => {
      const readable = Readable.from(source, { objectMode: false, highWaterMark: HIGH_WATER_BYTES });
      await addSource(readable, () =>
        zip.addReadStream(readable, path, { ...STORED, ...common, mtime: at, size: sizeBytes }),
      );
    },
    addText: async (path, chunks, mtime) => {
      const readable = Readable.from(chunks, { objectMode: false });
      await addSource(readable, () => zip.addReadStream(readable, path, { ...common, mtime }));
    },
    end: () => {
      zip.entries = written.concat(zip.entries);
      zip.end({ forceZip64Format: forceZip64, comment: '' });
    },
  };
}
