/**
 * Each process writes to a folder of its own, `spool/1`, `spool/2`, …, under a lock that ends with the process. So the
 * files of a running process are never read by another one, and those of an ended process can be taken over.
 */
import { open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FolderInUseError, type FolderLock, lockFolder } from '../runtime/disk/folder-lock.ts';
import { syncFolder } from '../runtime/disk/fsync.ts';

export interface Slot {
  readonly folder: string;
  /** Returns the paths of its files, oldest first. */
  files(): Promise<string[]>;
  release(): Promise<void>;
}

const MAX_SLOTS = 100;
const FILE = /^\d{10}\.log$/;

export async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(emptyIfMissing);
  return names
    .filter((name) => FILE.test(name))
    .sort()
    .map((name) => join(folder, name));
}

export const numberOf = (path: string) => Number.parseInt(path.slice(-14), 10);

/** Locks the first folder that no other process has locked. It is on disk, with its parents, when this resolves. */
export async function acquireSlot(spoolFolder: string): Promise<Slot> {
  for (let number = 1; number <= MAX_SLOTS; number++) {
    const slot = await tryAcquireSlot(join(spoolFolder, String(number)));
    if (!slot) continue;
    for (const folder of [slot.folder, spoolFolder, dirname(spoolFolder)]) await syncFolder(folder);
    return slot;
  }
  throw new Error(`more than ${MAX_SLOTS} processes write in ${spoolFolder}`);
}

/** Resolves with undefined where a running process has locked the folder. */
export async function tryAcquireSlot(folder: string): Promise<Slot | undefined> {
  let lock: FolderLock;
  try {
    lock = await lockFolder(folder);
  } catch (error) {
    if (error instanceof FolderInUseError) return undefined;
    throw error;
  }
  return { folder, files: () => filesOf(folder), release: () => lock.release() };
}

/** Returns the folders of all slots. */
export async function slotFolders(spoolFolder: string): Promise<string[]> {
  const names = await readdir(spoolFolder).catch(emptyIfMissing);
  return names.filter((name) => /^\d{1,3}$/.test(name)).map((name) => join(spoolFolder, name));
}

/** Counts lines and bytes without parsing them. */
export async function countRecords(path: string): Promise<{ records: number; bytes: number }> {
  const content = await readFile(path);
  let records = 0;
  for (let at = content.indexOf(0x0a); at >= 0; at = content.indexOf(0x0a, at + 1)) records++;
  return { records, bytes: content.length };
}

export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** Appends lines to `set-aside.log`, for a person to inspect. They are on disk when this resolves. */
export async function setAside(spoolFolder: string, lines: readonly (Buffer | string)[]): Promise<string> {
  const path = join(spoolFolder, 'set-aside.log');
  await using file = await open(path, 'a', 0o600);
  for (const line of lines) await file.appendFile(Buffer.concat([Buffer.from(line), Buffer.from('\n')]));
  await file.sync();
  await syncFolder(spoolFolder);
  return path;
}

export const removeFile = (path: string): Promise<void> => rm(path, { force: true });

function emptyIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
