/**
 * One file per object or part: the bytes, then their info as JSON, then 8 bytes with the length of the JSON. Bytes and
 * info appear by one rename, so no reader sees one without the other, and a reader that has the file open keeps reading
 * the version it began with. The info comes last because the digest is known last.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../../../runtime/disk/fsync.ts';

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAt: Date;
  /** Headers of the write that are sent back with the object: content-type, content-disposition, x-amz-meta-* … */
  readonly headers: Readonly<Record<string, string>>;
  /** The multipart upload that wrote the object: a repeated Complete of it succeeds again. */
  readonly uploadId?: string;
}

/** A file being written outside of the tree of objects. Either `publish` or `discard` ends it. */
export interface StagedFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Writes the info and renames the file to `path`. A missing folder is created, or fails with ENOENT. */
  publish(path: string, info: ObjectInfo, missingFolder: 'make' | 'fail'): Promise<void>;
  /** Does nothing after `publish`. */
  discard(): Promise<void>;
}

export interface OpenRecord {
  readonly info: ObjectInfo;
  readonly handle: FileHandle;
}

const MAGIC = 0x574d4131; // "WMA1"
const TAIL_BYTES = 8;
/** Most infos fit, so that one read is enough. */
const FIRST_READ_BYTES = 2048;
const MAX_INFO_BYTES = 64 * 1024;

export const errnoOf = (error: unknown) => (error as NodeJS.ErrnoException | null)?.code;

/** Returns the outermost folder that had to be created. */
async function moveInto(
  from: string,
  path: string,
  missingFolder: 'make' | 'fail',
): Promise<string | undefined> {
  let made: string | undefined;
  // A concurrent delete may remove the empty folder between the two steps.
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

/** Syncs the folder of `path`, and its parents up to the one that holds `made`. */
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
    publish: async (path, info, missingFolder) => {
      const json = Buffer.from(JSON.stringify(info));
      if (json.length > MAX_INFO_BYTES) throw new Error('the info of a record is too long');
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
  const info = JSON.parse(json) as Omit<ObjectInfo, 'modifiedAt'> & { modifiedAt: string };
  if (info.sizeBytes + recordBytes !== size) throw new Error('a record file does not have its own length');
  return { ...info, modifiedAt: new Date(info.modifiedAt) };
}

/** Opens a record, or returns undefined where there is none. The caller closes the handle. */
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

/** Reads the info alone. */
export async function readRecord(path: string): Promise<ObjectInfo | undefined> {
  const record = await openRecord(path);
  await record?.handle.close();
  return record?.info;
}
