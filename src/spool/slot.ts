/**
 * A process writes in a folder of its own, `spool/1`, `spool/2`, …, which it holds by a lock that dies with it. So
 * nobody touches what a living process still appends to, and what a dead one left is free to be taken up.
 */
import { open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FolderInUseError, type FolderLock, lockFolder } from '../runtime/disk/folder-lock.ts';
import { syncFolder } from './writer.ts';

export interface Slot {
  readonly folder: string;
  /** Paths of its files, oldest first. */
  files(): Promise<string[]>;
  release(): Promise<void>;
}

const SLOTS = 100;
const FILE = /^\d{10}\.log$/;

export async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(nothingIfAbsent);
  return names
    .filter((name) => FILE.test(name))
    .sort()
    .map((name) => join(folder, name));
}

export const numberOf = (path: string) => Number.parseInt(path.slice(-14), 10);

/** The first folder that no other process holds; on disk, with its parents, when it resolves. */
export async function acquireSlot(spoolFolder: string): Promise<Slot> {
  for (let number = 1; number <= SLOTS; number++) {
    const slot = await tryAcquireSlot(join(spoolFolder, String(number)));
    if (!slot) continue;
    for (const folder of [slot.folder, spoolFolder, dirname(spoolFolder)]) await syncFolder(folder);
    return slot;
  }
  throw new Error(`more than ${SLOTS} processes write in ${spoolFolder}`);
}

/** Undefined: a living process holds it. */
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

/** Folders of slots, whoever holds them. */
export async function slotFolders(spoolFolder: string): Promise<string[]> {
  const names = await readdir(spoolFolder).catch(nothingIfAbsent);
  return names.filter((name) => /^\d{1,3}$/.test(name)).map((name) => join(spoolFolder, name));
}

/** Lines and bytes, without reading what they say. */
export async function countRecords(path: string): Promise<{ records: number; bytes: number }> {
  const content = await readFile(path);
  let records = 0;
  for (let at = content.indexOf(0x0a); at >= 0; at = content.indexOf(0x0a, at + 1)) records++;
  return { records, bytes: content.length };
}

export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** Keeps lines beside the spool for a person to look at; on disk when it resolves. */
export async function setAside(spoolFolder: string, lines: readonly (Buffer | string)[]): Promise<string> {
  const path = join(spoolFolder, 'set-aside.log');
  await using file = await open(path, 'a', 0o600);
  for (const line of lines) await file.appendFile(Buffer.concat([Buffer.from(line), Buffer.from('\n')]));
  await file.sync();
  await syncFolder(spoolFolder);
  return path;
}

export const removeFile = (path: string): Promise<void> => rm(path, { force: true });

function nothingIfAbsent(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
