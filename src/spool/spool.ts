/**
 * A bounded log on the local disk, which keeps records durable while the catalogue is unavailable. Records are texts;
 * the caller defines their meaning. They are on disk before `append` resolves and are deleted only once delivered.
 */
import { join } from 'node:path';
import { watchDiskSpace } from '../runtime/disk/disk-space.ts';
import type { Log } from '../runtime/log.ts';
import { encodeRecord } from './record.ts';
import { createReplay, type Deliver } from './replay.ts';
import {
  acquireSlot,
  countRecords,
  filesOf,
  numberOf,
  type Slot,
  sizeOf,
  slotFolders,
  tryAcquireSlot,
} from './slot.ts';
import { createWriter, fileNameOf, SpoolRefusedError } from './writer.ts';

export interface SpoolSize {
  readonly records: number;
  readonly bytes: number;
}

export interface Spool {
  /**
   * Resolves when all records are on disk. Throws {@link SpoolRefusedError}, also when more than `share` of the limit
   * would be used: less important callers pass less than 1 and so leave room for the others.
   */
  append(texts: readonly string[], share?: number): Promise<void>;
  /** The records that wait for delivery in this process: its own and those it took over from ended processes. */
  readonly size: SpoolSize;
  /** False where an append would be refused now. */
  readonly isWritable: boolean;
  /**
   * Delivers the waiting records and those of ended processes, oldest first. Rejects when `deliver` does; the next call
   * continues at that record.
   */
  drain(deliver: Deliver, signal: AbortSignal): Promise<void>;
  /** Waits for the appends in progress. The records in the spool are left to the next process. */
  close(): Promise<void>;
}

export interface SpoolOptions {
  /** Created where it does not exist. */
  folder: string;
  /** Limit for all processes that share the folder. The files of the others are measured at each drain. */
  limitBytes: number;
  /** Free space on the disk below which nothing is appended. */
  floorBytes?: number;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Called after every change of size. */
  onChange?: (size: SpoolSize) => void;
}

/** Less than the floor of the embedded database (256 MiB): when that refuses writes, callbacks can still be stored. */
const FLOOR_BYTES = 64 * 1024 * 1024;
/** The size assumed of one more callback. */
const RECORD_BYTES = 4_096;
/** How long `isWritable` is false after a write that failed. */
const RETRY_MS = 5_000;

export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { folder, limitBytes, log, onChange = () => undefined } = options;
  const own = await acquireSlot(folder);
  const files = new Map<string, SpoolSize>();
  /** Bytes in the folders of other processes. */
  let otherBytes = 0;
  let waitingBytes = 0;
  let failedAtMs = Number.NEGATIVE_INFINITY;
  /** Slots of ended processes, locked by this one until their records are delivered. */
  const adopted: Slot[] = [];
  const reported = new Set<string>();

  function total(): SpoolSize {
    const all = [...files.values()];
    return {
      records: all.reduce((sum, file) => sum + file.records, 0),
      bytes: all.reduce((sum, file) => sum + file.bytes, 0),
    };
  }

  function grow(path: string, by: SpoolSize): void {
    const { records = 0, bytes = 0 } = files.get(path) ?? {};
    files.set(path, { records: records + by.records, bytes: bytes + by.bytes });
    onChange(total());
  }

  const found = await own.files();
  for (const path of found) grow(path, await countRecords(path));
  const space = await watchDiskSpace({ folder, floorBytes: options.floorBytes ?? FLOOR_BYTES, log });
  const writer = createWriter({
    folder: own.folder,
    firstNumber: numberOf(found.at(-1) ?? fileNameOf(0)) + 1,
    onWritten: ({ path, ...size }) => grow(path, size),
  });
  const replay = createReplay({
    spoolFolder: folder,
    log,
    onRemoved: (path) => {
      files.delete(path);
      onChange(total());
    },
  });

  async function adopt(path: string): Promise<Slot | undefined> {
    try {
      return await tryAcquireSlot(path);
    } catch (error) {
      // The folder may belong to another user. The own records are delivered all the same.
      if (!reported.has(path)) log.warn({ err: error, path }, 'spool: folder cannot be taken over');
      reported.add(path);
      return undefined;
    }
  }

  /** Takes over the slots of ended processes and measures those of running ones. */
  async function adoptAbandonedSlots(): Promise<void> {
    let bytes = await sizeOf(join(folder, 'set-aside.log'));
    for (const path of await slotFolders(folder)) {
      if (path === own.folder || adopted.some((slot) => slot.folder === path)) continue;
      const paths = await filesOf(path);
      if (paths.length === 0) continue;
      const slot = await adopt(path);
      if (slot) {
        adopted.push(slot);
        log.info({ folder: path }, 'spool: taking over the folder of an ended process');
        for (const file of await slot.files()) grow(file, await countRecords(file));
      } else {
        for (const file of paths) bytes += await sizeOf(file);
      }
    }
    otherBytes = bytes;
  }

  const isFull = (share: number, more: number) =>
    total().bytes + waitingBytes + otherBytes + more > limitBytes * share;

  return {
    append: async (texts, share = 1) => {
      const bytes = Buffer.concat(texts.map(encodeRecord));
      if (space.isLow()) throw new SpoolRefusedError('the disk of the spool is full');
      if (isFull(share, bytes.length)) throw new SpoolRefusedError('the spool is full');
      waitingBytes += bytes.length;
      try {
        await writer.append(bytes, texts.length);
      } catch (error) {
        failedAtMs = performance.now();
        throw error;
      } finally {
        waitingBytes -= bytes.length;
      }
    },
    get size() {
      return total();
    },
    get isWritable() {
      return !space.isLow() && !isFull(1, RECORD_BYTES) && performance.now() - failedAtMs > RETRY_MS;
    },
    drain: async (deliver, signal) => {
      await adoptAbandonedSlots();
      while (adopted[0]) {
        for (const path of await adopted[0].files()) await replay(path, deliver, signal);
        await adopted.shift()?.release();
      }
      for (;;) {
        const paths = await own.files();
        if (paths.length === 0) return;
        // After the listing: every listed file is closed then, and newer appends go to a newer file.
        await writer.rotate();
        for (const path of paths) await replay(path, deliver, signal);
      }
    },
    close: async () => {
      space.close();
      await writer.close();
      for (const slot of [...adopted, own]) await slot.release();
    },
  };
}
