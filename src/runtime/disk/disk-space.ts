/** Watches the free space of a folder's disk. */
import { statfs } from 'node:fs/promises';
import type { Log } from '../log.ts';

export interface DiskSpace {
  /** Whether less than the floor was free at the last check. */
  isLow(): boolean;
  close(): void;
}

/** Returns the bytes that this process may still write on the disk of `folder`. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * Checks the disk once before it resolves, and then every second: writing 256 MiB, the usual floor, takes longer than
 * that.
 */
export async function watchDiskSpace(options: {
  folder: string;
  floorBytes: number;
  log: Pick<Log, 'warn' | 'info'>;
  everyMs?: number;
  freeBytes?: (folder: string) => Promise<number>;
}): Promise<DiskSpace> {
  const measure = options.freeBytes ?? freeBytes;
  let low = false;

  async function check(): Promise<void> {
    const free = await measure(options.folder);
    if (free < options.floorBytes === low) return;
    low = !low;
    const facts = { folder: options.folder, freeBytes: free, floorBytes: options.floorBytes };
    if (low) options.log.warn(facts, 'disk: free space below the floor, new writes are refused');
    else options.log.info(facts, 'disk: free space above the floor again');
  }

  await check();
  const timer = setInterval(() => {
    // An error is no reason to refuse writes: the last result remains valid.
    check().catch((error: unknown) => options.log.warn({ err: error }, 'disk: free space unknown'));
  }, options.everyMs ?? 1000);
  timer.unref();
  return { isLow: () => low, close: () => clearInterval(timer) };
}
