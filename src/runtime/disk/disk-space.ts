/** Watches the free space of a folder's disk. */
import { statfs } from 'node:fs/promises';
import type { Log } from '../log.ts';

export interface DiskSpace {
  /** True while less than the floor is free, as of the last look. */
  isLow(): boolean;
  close(): void;
}

/** Bytes that this process may still write on the disk of `folder`. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Looks once before it resolves, then every second: a disk takes longer to eat a floor of 256 MiB. */
export async function watchDiskSpace(options: {
  folder: string;
  floorBytes: number;
  log: Pick<Log, 'warn' | 'info'>;
  everyMs?: number;
  freeBytes?: (folder: string) => Promise<number>;
}): Promise<DiskSpace> {
  const measure = options.freeBytes ?? freeBytes;
  let low = false;

  async function look(): Promise<void> {
    const free = await measure(options.folder);
    if (free < options.floorBytes === low) return;
    low = !low;
    const facts = { folder: options.folder, freeBytes: free, floorBytes: options.floorBytes };
    if (low) options.log.warn(facts, 'free space is below the floor: new writes are refused');
    else options.log.info(facts, 'free space is back: writes go on');
  }

  await look();
  const timer = setInterval(() => {
    // A disk that cannot be asked is no reason to refuse: the last answer stands.
    look().catch((error: unknown) => options.log.warn({ err: error }, 'free space is unknown'));
  }, options.everyMs ?? 1000);
  timer.unref();
  return { isLow: () => low, close: () => clearInterval(timer) };
}
