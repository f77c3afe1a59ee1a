/** Appends to numbered files of a folder. Appends that wait together share one write and one fsync. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createBatcher } from '../runtime/concurrency/batcher.ts';
import { syncFolder } from '../runtime/disk/fsync.ts';

/** The records were not stored durably. */
export class SpoolRefusedError extends Error {
  override readonly name = 'SpoolRefusedError';
}

export interface Writer {
  /** Resolves once the bytes and the name of their file are on disk. Throws {@link SpoolRefusedError}. */
  append(bytes: Buffer, records: number): Promise<void>;
  /** Closes the current file: the next append begins another one. */
  rotate(): Promise<void>;
  /** Waits for the appends in progress and closes the current file. */
  close(): Promise<void>;
}

/** A file is read whole when it is replayed, and replayed again from its start after a crash. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Of callbacks that wait for a disk that has stopped responding. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

export interface Written {
  readonly path: string;
  readonly bytes: number;
  readonly records: number;
}

interface Append {
  readonly bytes: Buffer;
  readonly records: number;
}

export const fileNameOf = (number: number) => `${String(number).padStart(10, '0')}.log`;

/** `onWritten` is called for each batch before its appends resolve. */
export function createWriter(options: {
  folder: string;
  firstNumber: number;
  onWritten: (written: Written) => void;
}): Writer {
  let number = options.firstNumber;
  let current: { path: string; file: FileHandle; sizeBytes: number } | undefined;
  let lastTask: Promise<unknown> = Promise.resolve();
  /** Resolves when the latest append, and so every append, has ended: the batcher keeps their order. */
  let lastAppend: Promise<unknown> = Promise.resolve();

  /** Runs tasks one after the other: a file is never closed while it is written to. */
  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = lastTask.then(task);
    lastTask = done.catch(() => undefined);
    return done;
  }

  async function openNext(): Promise<NonNullable<typeof current>> {
    const path = join(options.folder, fileNameOf(number++));
    const file = await open(path, 'wx', 0o600);
    try {
      await syncFolder(options.folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    return { path, file, sizeBytes: 0 };
  }

  async function closeCurrent(): Promise<void> {
    const closing = current;
    current = undefined;
    await closing?.file.close();
  }

  async function write(appends: readonly Append[]): Promise<undefined[]> {
    try {
      current ??= await openNext();
      const bytes = Buffer.concat(appends.map((append) => append.bytes));
      await current.file.appendFile(bytes);
      await current.file.datasync();
      current.sizeBytes += bytes.length;
      const records = appends.reduce((sum, append) => sum + append.records, 0);
      options.onWritten({ path: current.path, bytes: bytes.length, records });
    } catch (error) {
      // The file may end with half a batch, and after a failed fsync its content is unknown: it is not written to again.
      await closeCurrent().catch(() => undefined);
      throw new SpoolRefusedError('the spool cannot be written', { cause: error });
    }
    if (current.sizeBytes >= MAX_FILE_BYTES) await closeCurrent().catch(() => undefined);
    return appends.map(() => undefined);
  }

  const batcher = createBatcher<Append, undefined>({
    write: (appends) => inTurn(() => write(appends)),
    maxSize: MAX_WAITING_BYTES,
    sizeOf: ({ bytes }) => bytes.length,
    isShared: () => true,
  });

  return {
    append: async (bytes, records) => {
      if (batcher.waitingSize + bytes.length > MAX_WAITING_BYTES)
        throw new SpoolRefusedError('the disk of the spool does not keep up');
      const added = batcher.add({ bytes, records });
      lastAppend = added.catch(() => undefined);
      await added;
    },
    rotate: () => inTurn(closeCurrent),
    close: async () => {
      await lastAppend;
      await inTurn(closeCurrent);
    },
  };
}
