/**
 * A bounded log on the local disk for what must be durable while its proper place is away. Records are texts; what
 * they mean is the owner's. Appended ones are on disk before the answer and are deleted only once delivered.
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
   * On disk, all of them, when it resolves. `share`: how much of the limit may be full before it is refused, so that
   * less important callers leave room. Throws {@link SpoolRefusedError}.
   */
  append(texts: readonly string[], share?: number): Promise<void>;
  /** What waits for delivery in this process: its own and what it took over from dead ones. */
  readonly size: SpoolSize;
  /** False: an append would be refused now. */
  readonly isWritable: boolean;
  /** Delivers what waits, and what dead processes left, oldest first; rejects as `deliver` does and goes on there. */
  drain(deliver: Deliver, signal: AbortSignal): Promise<void>;
  /** Waits for appends in progress. What is in the spool stays for the next process. */
  close(): Promise<void>;
}

export interface SpoolOptions {
  /** Made where missing. */
  folder: string;
  /** Of all processes that share the folder; those that live elsewhere are measured at each drain. */
  limitBytes: number;
  /** Free space on the disk below which nothing is appended. */
  floorBytes?: number;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** After every change of size. */
  onChange?: (size: SpoolSize) => void;
}

/** Less than the embedded database wants free (256 MiB): when that refuses, callbacks still have a place. */
const FLOOR_BYTES = 64 * 1024 * 1024;
/** Room that one more callback wants. */
const RECORD_BYTES = 4_096;
/** A write that failed is tried again after this, with the next callback. */
const FAILED_MS = 5_000;

export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { folder, limitBytes, log, onChange = () => undefined } = options;
  const own = await acquireSlot(folder);
  const files = new Map<string, SpoolSize>();
  let elsewhereBytes = 0;
  let waitingBytes = 0;
  let failedAtMs = Number.NEGATIVE_INFINITY;
  /** Of dead processes, held by this one until they are delivered. */
  const adopted: Slot[] = [];
  const untakable = new Set<string>();

  function total(): SpoolSize {
    const all = [...files.values()];
    return {
      records: all.reduce((sum, one) => sum + one.records, 0),
      bytes: all.reduce((sum, one) => sum + one.bytes, 0),
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
      // Another user's, perhaps: that must not keep ours waiting.
      if (!untakable.has(path)) log.warn({ err: error, path }, 'spool: a folder cannot be taken over');
      untakable.add(path);
      return undefined;
    }
  }

  /** Takes up what dead processes left, and measures what living ones have. */
  async function adoptAbandonedSlots(): Promise<void> {
    let bytes = await sizeOf(join(folder, 'set-aside.log'));
    for (const path of await slotFolders(folder)) {
      if (path === own.folder || adopted.some((slot) => slot.folder === path)) continue;
      const left = await filesOf(path);
      if (left.length === 0) continue;
      const slot = await adopt(path);
      if (slot) {
        adopted.push(slot);
        log.info({ folder: path }, 'spool: taking over what a process that is gone left');
        for (const file of await slot.files()) grow(file, await countRecords(file));
      } else {
        for (const file of left) bytes += await sizeOf(file);
      }
    }
    elsewhereBytes = bytes;
  }

  const isFull = (share: number, more: number) =>
    total().bytes + waitingBytes + elsewhereBytes + more > limitBytes * share;

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
      return !space.isLow() && !isFull(1, RECORD_BYTES) && performance.now() - failedAtMs > FAILED_MS;
    },
    drain: async (deliver, signal) => {
      await adoptAbandonedSlots();
      while (adopted[0]) {
        for (const path of await adopted[0].files()) await replay(path, deliver, signal);
        await adopted.shift()?.release();
      }
      for (;;) {
        const left = await own.files();
        if (left.length === 0) return;
        // After the look: all that were found are closed then, whatever is begun meanwhile.
        await writer.rotate();
        for (const path of left) await replay(path, deliver, signal);
      }
    },
    close: async () => {
      space.close();
      await writer.rotate();
      for (const slot of [...adopted, own]) await slot.release();
    },
  };
}
