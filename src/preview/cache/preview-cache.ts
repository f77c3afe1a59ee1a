/**
 * A bounded folder of previews. The one that was used longest ago is removed first. Everything in it can be made again,
 * so an error of the disk is never the error of a request. Servers of one machine may share the folder: what another
 * one has written is found when the folder is read again.
 */
import { createHash, hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { freeBytes } from '../../runtime/disk/disk-space.ts';
import type { Log } from '../../runtime/log.ts';
import { type CacheFile, cacheFileName, parseCacheFileName } from './cache-file.ts';

export interface CachedPreview {
  readonly sizeBytes: number;
  readonly handle: FileHandle;
}

export interface PreviewCache {
  /** Opens the preview. The caller closes the handle. Undefined: there is none, or its file is damaged. */
  find(id: string, version: string): Promise<CachedPreview | undefined>;
  /** Resolves with whether the preview is in the cache. Never rejects. */
  put(key: Pick<CacheFile, 'id' | 'version' | 'extension'>, preview: Buffer): Promise<boolean>;
  /** Reads the folder again. Resolves with the ids of all items that have previews in it. */
  ids(): Promise<string[]>;
  /** Removes all previews of these items. Rejects if a file cannot be removed. */
  remove(ids: readonly string[]): Promise<void>;
}

export interface PreviewCacheOptions {
  readonly folder: string;
  /** 0: nothing is stored, and what an earlier run has stored is removed. */
  readonly limitBytes: number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly onChange?: (bytes: number) => void;
}

interface Entry extends CacheFile {
  /** Milliseconds since 1970. */
  usedAt: number;
  /** The time of use on disk, as the file's time of modification. */
  notedAt: number;
  /** Whether its bytes were compared with the digest since the start. */
  isVerified: boolean;
}

/** Limits memory (about 40 MB) where many small thumbnails fit into the limit of bytes. */
const ENTRIES_LIMIT = 100_000;
/** A file takes whole blocks of the disk. */
const BLOCK_BYTES = 4_096;
/** The time of use on disk is this exact: a write for every request would be too many. */
const USE_ACCURACY_MS = 600_000;
/** The spool and the embedded database need the last free space more than previews do. */
const FLOOR_BYTES = 512 * 2 ** 20;
const READ_BYTES = 256 * 1_024;
/** A file with another name that is older was left half written by a crash; a younger one may be written now. */
const HALF_WRITTEN_MS = 600_000;
/** Names that are read without letting other work run. */
const NAMES_AT_ONCE = 1_000;

const spaceOf = ({ sizeBytes }: CacheFile): number => Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
const digestOf = (hexadecimal: string): string => hexadecimal.slice(0, 32);
const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

export function createPreviewCache(options: PreviewCacheOptions): PreviewCache {
  const { folder, limitBytes, log, onChange = () => undefined } = options;
  /** By item and version, in the order of use, the longest ago first. */
  const byUse = new Map<string, Entry>();
  let bytes = 0;
  let writes = 0;
  let isFailing = false;
  let loading: Promise<void> | undefined;

  const keyOf = ({ id, version }: Pick<CacheFile, 'id' | 'version'>) => `${id}.${version}`;
  const pathOf = (file: CacheFile) => join(folder, cacheFileName(file));

  function add(entry: Entry): void {
    byUse.set(keyOf(entry), entry);
    bytes += spaceOf(entry);
    onChange(bytes);
  }

  function drop(entry: Entry): void {
    if (byUse.get(keyOf(entry)) !== entry) return;
    byUse.delete(keyOf(entry));
    bytes -= spaceOf(entry);
    onChange(bytes);
  }

  /** Compares what is known with what is in the folder, and removes files that do not fit their names. */
  async function readFolder(): Promise<void> {
    if (limitBytes === 0) return void (await rm(folder, { recursive: true, force: true }));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const before = [...byUse.values()];
    const names = new Set(await readdir(folder));
    for (const entry of before) if (!names.has(cacheFileName(entry))) drop(entry);
    const added: Entry[] = [];
    let read = 0;
    for (const name of names) {
      if (++read % NAMES_AT_ONCE === 0) await yieldToEventLoop();
      const file = parseCacheFileName(name);
      if (file && byUse.get(keyOf(file))?.digest === file.digest) continue;
      const entry = await readEntry(name, file);
      if (entry) added.push(entry);
    }
    const isNew = (entry: Entry) => !byUse.has(keyOf(entry));
    for (const entry of added.filter(isNew)) add(entry);
    if (added.length > 0) {
      const sorted = [...byUse].toSorted(([, one], [, other]) => one.usedAt - other.usedAt);
      byUse.clear();
      for (const [key, entry] of sorted) byUse.set(key, entry);
    }
    await makeRoom(0);
  }

  async function readEntry(name: string, file: CacheFile | undefined): Promise<Entry | undefined> {
    const path = join(folder, name);
    const state = await stat(path).catch(() => undefined);
    if (!state) return undefined;
    if (file && state.isFile() && state.size === file.sizeBytes)
      return { ...file, usedAt: state.mtimeMs, notedAt: state.mtimeMs, isVerified: false };
    // On a read-only disk the others are still served.
    if (file || Date.now() - state.mtimeMs > HALF_WRITTEN_MS)
      await rm(path, { recursive: true, force: true }).catch(note);
    return undefined;
  }

  /** A folder that could not be read is tried again at the next call. */
  function loaded(): Promise<void> {
    loading ??= readFolder().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  }

  /** Logs the first of several errors, and the end of them. */
  function note(error?: unknown): void {
    if (error !== undefined && !isFailing)
      log.warn({ err: error, folder }, 'preview cache: not usable, previews are made anew for each request');
    if (error === undefined && isFailing) log.info({ folder }, 'preview cache: usable again');
    isFailing = error !== undefined;
  }

  async function removeEntry(entry: Entry): Promise<void> {
    await rm(pathOf(entry), { force: true });
    drop(entry);
  }

  async function makeRoom(space: number): Promise<void> {
    while (byUse.size > 0 && (bytes + space > limitBytes || byUse.size >= ENTRIES_LIMIT)) {
      const [oldest] = byUse.values();
      await removeEntry(oldest as Entry);
    }
  }

  async function isIntact(handle: FileHandle, entry: Entry): Promise<boolean> {
    if ((await handle.stat()).size !== entry.sizeBytes) return false;
    if (entry.isVerified) return true;
    const digest = createHash('sha256');
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let at = 0; at < entry.sizeBytes; ) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return false;
      digest.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    entry.isVerified = digestOf(digest.digest('hex')) === entry.digest;
    return entry.isVerified;
  }

  function noteUse(entry: Entry): void {
    byUse.delete(keyOf(entry));
    byUse.set(keyOf(entry), entry);
    const now = Date.now();
    entry.usedAt = now;
    if (Math.abs(now - entry.notedAt) < USE_ACCURACY_MS) return;
    entry.notedAt = now;
    // Without it the order after a restart is less exact.
    void utimes(pathOf(entry), now / 1_000, now / 1_000).catch(() => undefined);
  }

  async function openEntry(entry: Entry): Promise<CachedPreview | undefined> {
    const handle = await open(pathOf(entry), 'r').catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    if (!handle) return void drop(entry);
    try {
      if (await isIntact(handle, entry)) {
        // Removed meanwhile: the open file would still be readable.
        if (byUse.get(keyOf(entry)) !== entry) return void (await handle.close());
        noteUse(entry);
        return { sizeBytes: entry.sizeBytes, handle };
      }
      log.warn({ file: cacheFileName(entry) }, 'preview cache: a damaged file is removed');
      await handle.close();
      await removeEntry(entry);
      return undefined;
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  return {
    find: async (id, version) => {
      try {
        await loaded();
        const entry = byUse.get(keyOf({ id, version }));
        return entry && (await openEntry(entry));
      } catch (error) {
        note(error);
        return undefined;
      }
    },
    put: async ({ id, version, extension }, preview) => {
      const digest = digestOf(hash('sha256', preview));
      const entry: Entry = {
        ...{ id, version, extension, digest, sizeBytes: preview.length },
        usedAt: Date.now(),
        notedAt: Date.now(),
        isVerified: true,
      };
      if (limitBytes === 0 || spaceOf(entry) > limitBytes) return false;
      const temporary = join(folder, `${process.pid}-${++writes}.new`);
      try {
        await loaded();
        if ((await freeBytes(folder)) < FLOOR_BYTES) throw new Error('the disk is nearly full');
        await makeRoom(spaceOf(entry));
        const handle = await open(temporary, 'wx', 0o600);
        await handle.writeFile(preview).finally(() => handle.close());
        await rename(temporary, pathOf(entry));
        const former = byUse.get(keyOf(entry));
        if (former && former.digest !== digest) await removeEntry(former);
        else if (former) drop(former);
        add(entry);
        note();
        return true;
      } catch (error) {
        note(error);
        await rm(temporary, { force: true }).catch(() => undefined);
        return false;
      }
    },
    ids: async () => {
      try {
        await loaded();
        await readFolder();
      } catch (error) {
        note(error);
        if (await stat(folder).catch(() => undefined)) throw error;
        return [];
      }
      return [...new Set([...byUse.values()].map(({ id }) => id))];
    },
    remove: async (ids) => {
      const removed = new Set(ids);
      for (const entry of [...byUse.values()].filter(({ id }) => removed.has(id))) await removeEntry(entry);
    },
  };
}
