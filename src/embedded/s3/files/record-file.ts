/**
 * One file per object or part: the bytes, then what is known about them as JSON, then 8 bytes that say how long the
 * JSON is. Bytes and facts appear by one rename, so nobody ever sees one without the other, and a reader that holds
 * the file open keeps the version it began with. (The facts come last because a digest is known last; pictures still
 * open in a viewer.)
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAt: Date;
  /** Headers answered as they were given: content-type, content-disposition, x-amz-meta-* … */
  readonly headers: Readonly<Record<string, string>>;
  /** Header name and base64 value of the checksum the client sent and we proved. */
  readonly checksum?: readonly [name: string, value: string];
  /** The multipart upload an object came from, so that a repeated Complete can be told from a wrong one. */
  readonly uploadId?: string;
}

/** A file being written aside. Either `publish` or `discard` ends it. */
export interface StagedFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Writes the facts and moves the file to `path`. Where its folder is missing, it is made, or ENOENT is thrown. */
  publish(path: string, facts: ObjectInfo, missingFolder: 'make' | 'fail'): Promise<void>;
  /** Harmless after `publish`. */
  discard(): Promise<void>;
}

export interface OpenRecord {
  readonly info: ObjectInfo;
  readonly handle: FileHandle;
}

const MAGIC = 0x574d4131; // "WMA1"
const TAIL_BYTES = 8;
/** Most facts fit here, so that reading them is one read. */
const FIRST_READ_BYTES = 2048;
const MAX_INFO_BYTES = 64 * 1024;

export const errnoOf = (error: unknown) => (error as NodeJS.ErrnoException | null)?.code;

const nextSync = new Map<string, Promise<void>>();
const runningSync = new Map<string, Promise<void>>();

/**
 * Makes a rename or unlink in `folder` survive a power cut. Whoever asks while a sync is running shares the one after
 * it: objects of one day lie in one folder, and 16 PUTs at once would sync it 16 times.
 */
export function syncFolder(folder: string): Promise<void> {
  const waiting = nextSync.get(folder);
  if (waiting !== undefined) return waiting;
  const before = runningSync.get(folder) ?? Promise.resolve();
  const sync: Promise<void> = before
    .catch(() => {})
    .then(async () => {
      nextSync.delete(folder);
      runningSync.set(folder, sync);
      try {
        const handle = await open(folder, constants.O_RDONLY);
        await handle.sync().finally(() => handle.close());
      } finally {
        if (runningSync.get(folder) === sync) runningSync.delete(folder);
      }
    });
  nextSync.set(folder, sync);
  return sync;
}

/** @returns the outermost folder that had to be made. */
async function moveInto(
  from: string,
  path: string,
  missingFolder: 'make' | 'fail',
): Promise<string | undefined> {
  let made: string | undefined;
  // A delete may prune the folder between the two steps; it cannot do so for ever.
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(from, path);
      return made;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || missingFolder === 'fail' || attempt === 5) throw error;
      made = (await mkdir(dirname(path), { recursive: true, mode: 0o700 })) ?? made;
    }
  }
}

/** Syncs the folder of `path`, and those above it up to the one that holds `made`. */
async function syncPath(path: string, made: string | undefined): Promise<void> {
  const top = made === undefined ? dirname(path) : dirname(made);
  for (let folder = dirname(path); folder.length >= top.length; folder = dirname(folder))
    await syncFolder(folder);
}

export async function createStagedFile(folder: string, fsync: boolean): Promise<StagedFile> {
  const aside = join(folder, randomBytes(16).toString('hex'));
  const handle = await open(aside, 'wx', 0o600);
  let state: 'open' | 'closed' | 'published' = 'open';
  const write = async (bytes: Uint8Array) => {
    for (let offset = 0; offset < bytes.length; )
      offset += (await handle.write(bytes, offset, bytes.length - offset)).bytesWritten;
  };
  const close = async () => {
    if (state === 'open') await handle.close();
    if (state === 'open') state = 'closed';
  };
  return {
    write,
    publish: async (path, facts, missingFolder) => {
      const json = Buffer.from(JSON.stringify(facts));
      if (json.length > MAX_INFO_BYTES) throw new Error('the facts of a record are too long');
      const tail = Buffer.alloc(TAIL_BYTES);
      tail.writeUInt32BE(json.length, 0);
      tail.writeUInt32BE(MAGIC, 4);
      await write(Buffer.concat([json, tail]));
      if (fsync) await handle.datasync();
      await close();
      const made = await moveInto(aside, path, missingFolder);
      state = 'published';
      if (fsync) await syncPath(path, made);
    },
    discard: async () => {
      await close();
      if (state === 'closed') await unlink(aside).catch(() => {});
    },
  };
}

async function readInfo(handle: FileHandle): Promise<ObjectInfo> {
  const { size } = await handle.stat();
  const readTail = async (lengthBytes: number) => {
    const tail = Buffer.alloc(Math.min(size, lengthBytes));
    const { bytesRead } = await handle.read(tail, 0, tail.length, size - tail.length);
    if (bytesRead < tail.length || tail.length < TAIL_BYTES) throw new Error('a record file is cut short');
    return tail;
  };
  let tail = await readTail(FIRST_READ_BYTES);
  const jsonBytes = tail.readUInt32BE(tail.length - TAIL_BYTES);
  if (tail.readUInt32BE(tail.length - 4) !== MAGIC || jsonBytes > MAX_INFO_BYTES)
    throw new Error('a record file does not end as it should');
  const recordBytes = jsonBytes + TAIL_BYTES;
  if (recordBytes > tail.length) tail = await readTail(recordBytes);
  const json = tail.toString('utf8', tail.length - recordBytes, tail.length - TAIL_BYTES);
  const facts = JSON.parse(json) as Omit<ObjectInfo, 'modifiedAt'> & { modifiedAt: string };
  if (facts.sizeBytes + recordBytes !== size) throw new Error('a record file does not have its own length');
  return { ...facts, modifiedAt: new Date(facts.modifiedAt) };
}

/** Opens a record; the caller closes the handle. @returns undefined when there is none. */
export async function openRecord(path: string): Promise<OpenRecord | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    return { info: await readInfo(handle), handle };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The facts alone. */
export async function readRecord(path: string): Promise<ObjectInfo | undefined> {
  const record = await openRecord(path);
  await record?.handle.close();
  return record?.info;
}
