/**
 * Multipart uploads. Each is a folder with upload.json and one record file per part, so that it survives a restart.
 * Completing copies the parts in order, one MiB at a time, into a staged file, which is then published.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../../../runtime/disk/fsync.ts';
import type { NamedPart } from '../protocol/complete-document.ts';
import { S3Error } from '../protocol/responses.ts';
import type { DiskSpace } from './disk-space.ts';
import type { ObjectFolder } from './objects.ts';
import { errnoOf, type ObjectInfo, openRecord, readRecord, type StagedFile } from './record-file.ts';

export interface Upload {
  readonly uploadId: string;
  readonly key: string;
  readonly startedAt: Date;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Uploads {
  create(upload: Pick<Upload, 'key' | 'startedAt' | 'headers'>): Promise<Upload>;
  /** @throws S3Error NoSuchUpload */
  find(key: string, uploadId: string): Promise<Upload>;
  putPart(upload: Upload, partNumber: number, staged: StagedFile, info: ObjectInfo): Promise<void>;
  /** Resolves with all uploads, ordered by key, then by id. */
  list(): Promise<readonly Upload[]>;
  /** @throws S3Error InvalidPart, EntityTooSmall, NoSuchUpload */
  complete(key: string, uploadId: string, parts: readonly NamedPart[], now: Date): Promise<ObjectInfo>;
  abort(upload: Upload): Promise<void>;
}

const COPY_BYTES = 1024 * 1024;
const MANIFEST = 'upload.json';

const partName = (partNumber: number) => String(partNumber).padStart(5, '0');
const noSuchUpload = () =>
  new S3Error('NoSuchUpload', 'The upload does not exist: aborted, completed or never begun.');

/** Runs tasks of one key one after the other, and tasks of different keys at once. */
function createKeyedMutex(): <T>(name: string, task: () => Promise<T>) => Promise<T> {
  const tails = new Map<string, Promise<unknown>>();
  return async (name, task) => {
    const before = tails.get(name);
    const turn = (async () => {
      await before?.catch(() => {});
      return await task();
    })();
    tails.set(name, turn);
    try {
      return await turn;
    } finally {
      if (tails.get(name) === turn) tails.delete(name);
    }
  };
}

export async function openUploads(
  folder: string,
  objects: ObjectFolder,
  options: { fsync: boolean; disk: DiskSpace; minPartBytes: number },
): Promise<Uploads> {
  const root = join(folder, 'uploads');
  const aside = join(folder, 'aside');
  await mkdir(root, { recursive: true, mode: 0o700 });
  const withLock = createKeyedMutex();

  async function read(uploadId: string): Promise<Upload | undefined> {
    // Checked, because it becomes part of a path.
    if (!/^[0-9a-f]{32}$/.test(uploadId)) return undefined;
    try {
      const manifest = JSON.parse(await readFile(join(root, uploadId, MANIFEST), 'utf8'));
      return { ...manifest, startedAt: new Date(manifest.startedAt) } as Upload;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async function find(key: string, uploadId: string): Promise<Upload> {
    const upload = await read(uploadId);
    if (upload?.key !== key) throw noSuchUpload();
    return upload;
  }

  /** One rename removes the upload; what an interrupted removal leaves is deleted at the next start. */
  async function remove(uploadId: string): Promise<void> {
    const removed = join(aside, `gone-${uploadId}`);
    await rename(join(root, uploadId), removed);
    await rm(removed, { recursive: true, force: true });
  }

  /** Checks the named parts against the uploaded ones and returns their total size. */
  async function checkParts(upload: Upload, named: readonly NamedPart[]): Promise<number> {
    let sizeBytes = 0;
    for (const [index, { partNumber, etag }] of named.entries()) {
      const info = await readRecord(join(root, upload.uploadId, partName(partNumber)));
      if (info?.etag !== etag)
        throw new S3Error(
          'InvalidPart',
          `Part ${partNumber} was not uploaded, or is not the one that is named.`,
        );
      if (index < named.length - 1 && info.sizeBytes < options.minPartBytes)
        throw new S3Error('EntityTooSmall', `Part ${partNumber} is too small and is not the last.`);
      sizeBytes += info.sizeBytes;
    }
    return sizeBytes;
  }

  async function copyPart(path: string, expected: NamedPart, staged: StagedFile): Promise<number> {
    const record = await openRecord(path);
    try {
      if (record?.info.etag !== expected.etag)
        throw new S3Error(
          'InvalidPart',
          `Part ${expected.partNumber} was replaced while the upload was completed.`,
        );
      const { handle, info } = record;
      const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, info.sizeBytes));
      for (let offset = 0; offset < info.sizeBytes; ) {
        const { bytesRead } = await handle.read(
          buffer,
          0,
          Math.min(buffer.length, info.sizeBytes - offset),
          offset,
        );
        if (bytesRead === 0) throw new Error('a part became shorter');
        await staged.write(buffer.subarray(0, bytesRead));
        offset += bytesRead;
      }
      return info.sizeBytes;
    } finally {
      await record?.handle.close();
    }
  }

  return {
    find,
    create: async ({ key, startedAt, headers }) => {
      const upload: Upload = { uploadId: randomBytes(16).toString('hex'), key, startedAt, headers };
      const created = join(aside, `new-${upload.uploadId}`);
      await mkdir(created, { mode: 0o700 });
      await writeFile(join(created, MANIFEST), JSON.stringify(upload), { mode: 0o600, flush: options.fsync });
      await rename(created, join(root, upload.uploadId));
      if (options.fsync) await syncFolder(root);
      return upload;
    },
    putPart: async (upload, partNumber, staged, info) => {
      try {
        await staged.publish(join(root, upload.uploadId, partName(partNumber)), info, 'fail');
      } catch (error) {
        throw errnoOf(error) === 'ENOENT' ? noSuchUpload() : error; // aborted while the part was on its way
      }
    },
    list: async () => {
      const uploads: Upload[] = [];
      for (const uploadId of await readdir(root)) {
        const upload = await read(uploadId);
        if (upload) uploads.push(upload);
      }
      const rank = (upload: Upload) => Buffer.from(`${upload.key}\0${upload.uploadId}`);
      return uploads.sort((a, b) => rank(a).compare(rank(b)));
    },
    complete: (key, uploadId, named, now) =>
      withLock(uploadId, async () => {
        const upload = await read(uploadId);
        if (upload?.key !== key) {
          // The response to the first Complete was lost, and the client repeats it.
          const published = await objects.head(key);
          if (published?.uploadId === uploadId) return published;
          throw noSuchUpload();
        }
        const sizeBytes = await checkParts(upload, named);
        const release = await options.disk.reserve(sizeBytes);
        const staged = await objects.stage();
        try {
          let copiedBytes = 0;
          for (const part of named)
            copiedBytes += await copyPart(join(root, uploadId, partName(part.partNumber)), part, staged);
          if (copiedBytes !== sizeBytes) throw new Error('the parts changed while they were copied');
          const digest = createHash('md5').update(
            Buffer.from(named.map((part) => part.etag).join(''), 'hex'),
          );
          const etag = `${digest.digest('hex')}-${named.length}`;
          const info: ObjectInfo = {
            key,
            sizeBytes,
            etag,
            modifiedAt: now,
            headers: upload.headers,
            uploadId,
          };
          await objects.publish(staged, info);
          await remove(uploadId);
          return info;
        } finally {
          await staged.discard();
          release();
        }
      }),
    abort: (upload) =>
      withLock(upload.uploadId, async () => {
        await find(upload.key, upload.uploadId);
        await remove(upload.uploadId);
      }),
  };
}
