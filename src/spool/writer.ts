/** Appends to numbered files of a folder: whatever waits shares one write and one fsync. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';

/** Not on disk; nothing is known to be kept. */
export class SpoolRefusedError extends Error {
  override readonly name = 'SpoolRefusedError';
}

export interface Writer {
  /** Resolves once the bytes and the name of their file are on disk. Throws {@link SpoolRefusedError}. */
  append(bytes: Buffer, records: number): Promise<void>;
  /** What was appended so far is no longer written to: the next append begins another file. */
  rotate(): Promise<void>;
}

/** A file is read whole when it is replayed, and replayed again from its start after a crash. */
const FILE_BYTES = 4 * 1024 * 1024;
/** Of callbacks that wait for a disk which has stopped answering. */
const WAITING_BYTES = 16 * 1024 * 1024;

export interface Written {
  readonly path: string;
  readonly bytes: number;
  readonly records: number;
}

interface PendingAppend {
  readonly bytes: Buffer;
  readonly records: number;
  resolve(): void;
  reject(error: unknown): void;
}

export const fileNameOf = (number: number) => `${String(number).padStart(10, '0')}.log`;

/** `onWritten` hears of every group before those who wait for it do. */
export function createWriter(options: {
  folder: string;
  firstNumber: number;
  onWritten: (written: Written) => void;
}): Writer {
  let number = options.firstNumber;
  let current: { path: string; file: FileHandle; sizeBytes: number } | undefined;
  let waiting: PendingAppend[] = [];
  let waitingBytes = 0;
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn(task: () => Promise<void>): Promise<void> {
    const done = turn.then(task);
    turn = done.catch(() => undefined);
    return done;
  }

  async function begin(): Promise<NonNullable<typeof current>> {
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

  async function leave(): Promise<void> {
    const left = current;
    current = undefined;
    await left?.file.close();
  }

  async function writeGroup(): Promise<void> {
    const group = waiting;
    if (group.length === 0) return;
    waiting = [];
    waitingBytes = 0;
    try {
      current ??= await begin();
      const bytes = Buffer.concat(group.map((one) => one.bytes));
      await current.file.appendFile(bytes);
      await current.file.datasync();
      current.sizeBytes += bytes.length;
      const records = group.reduce((sum, one) => sum + one.records, 0);
      options.onWritten({ path: current.path, bytes: bytes.length, records });
      for (const one of group) one.resolve();
      if (current.sizeBytes >= FILE_BYTES) await leave();
    } catch (error) {
      // Half a group may stand at its end, and after a failed fsync nobody knows what the disk has: never again.
      await leave().catch(() => undefined);
      const refusal = new SpoolRefusedError('the spool cannot be written', { cause: error });
      for (const one of group) one.reject(refusal);
    }
  }

  return {
    append: (bytes, records) => {
      if (waitingBytes + bytes.length > WAITING_BYTES)
        return Promise.reject(new SpoolRefusedError('the disk of the spool does not keep up'));
      return new Promise((resolve, reject) => {
        waiting.push({ bytes, records, resolve, reject });
        waitingBytes += bytes.length;
        void inTurn(writeGroup);
      });
    },
    rotate: () => inTurn(leave),
  };
}

/** The names in a folder are on disk only when the folder is. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}
