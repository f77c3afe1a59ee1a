/**
 * Multipart uploads: a folder each, holding upload.json and one record file per part, so that they outlive restarts.
 * Completing copies the parts one after the other, a megabyte at a time, into a file aside; only then is it published.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NamedPart } from '../protocol/request-xml.ts';
import { S3Error } from '../protocol/responses.ts';
import type { DiskSpace } from './disk-space.ts';
import { createKeyedMutex, type ObjectFolder, type WriteCondition } from './objects.ts';
import {
  errnoOf,
  type ObjectInfo,
  openRecord,
  readRecord,
  type StagedFile,
  syncFolder,
} from './record-file.ts';

export interface Upload {
  readonly uploadId: string;
  readonly key: string;
  readonly startedAt: Date;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Part {
  readonly partNumber: number;
  readonly info: ObjectInfo;
}

export interface Uploads {
  create(upload: Pick<Upload, 'key' | 'startedAt' | 'headers'>): Promise<Upload>;
  /** @throws S3Error NoSuchUpload */
  find(key: string, uploadId: string): Promise<Upload>;
  putPart(upload: Upload, partNumber: number, draft: StagedFile, facts: ObjectInfo): Promise<void>;
  /** In ascending order. */
  parts(upload: Upload): Promise<readonly Part[]>;
  /** By key, then by id. */
  list(): Promise<readonly Upload[]>;
  /** @throws S3Error InvalidPart, EntityTooSmall, PreconditionFailed, NoSuchUpload */
  complete(
    key: string,
    uploadId: string,
    parts: readonly NamedPart[],
    options: { now: Date; condition: WriteCondition },
  ): Promise<ObjectInfo>;
  abort(upload: Upload): Promise<void>;
}

const MIN_PART_BYTES = 5 * 1024 * 1024;
const COPY_BYTES = 1024 * 1024;
const ABOUT = 'upload.json';

const partName = (partNumber: number) => String(partNumber).padStart(5, '0');
const noSuchUpload = () =>
  new S3Error('NoSuchUpload', 'The upload does not exist: aborted, completed or never begun.');

export async function openUploads(
  folder: string,
  objects: ObjectFolder,
  options: { fsync: boolean; disk: DiskSpace },
): Promise<Uploads> {
  const root = join(folder, 'uploads');
  const aside = join(folder, 'aside');
  await mkdir(root, { recursive: true, mode: 0o700 });
  const withLock = createKeyedMutex();

  async function read(uploadId: string): Promise<Upload | undefined> {
    // Checked before it becomes part of a path.
    if (!/^[0-9a-f]{32}$/.test(uploadId)) return undefined;
    try {
      const about = JSON.parse(await readFile(join(root, uploadId, ABOUT), 'utf8'));
      return { ...about, startedAt: new Date(about.startedAt) } as Upload;
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

  /** Gone at once by a rename; what an interrupted removal leaves is swept at the next start. */
  async function remove(uploadId: string): Promise<void> {
    const gone = join(aside, `gone-${uploadId}`);
    await rename(join(root, uploadId), gone);
    await rm(gone, { recursive: true, force: true });
  }

  /** Checks the named parts against what was uploaded. */
  async function checkParts(upload: Upload, named: readonly NamedPart[]): Promise<number> {
    let sizeBytes = 0;
    for (const [index, { partNumber, etag, checksums }] of named.entries()) {
      const facts = await readRecord(join(root, upload.uploadId, partName(partNumber)));
      const known = facts?.checksum;
      const wrong = checksums.some(([name, value]) => known?.[0] === name && known[1] !== value);
      if (facts?.etag !== etag || wrong)
        throw new S3Error(
          'InvalidPart',
          `Part ${partNumber} was not uploaded, or is not the one that is named.`,
        );
      if (index < named.length - 1 && facts.sizeBytes < MIN_PART_BYTES)
        throw new S3Error('EntityTooSmall', `Part ${partNumber} has less than 5 MiB and is not the last.`);
      sizeBytes += facts.sizeBytes;
    }
    return sizeBytes;
  }

  async function copyPart(path: string, expected: NamedPart, draft: StagedFile): Promise<number> {
    const record = await openRecord(path);
    try {
      if (record?.info.etag !== expected.etag)
        throw new S3Error(
          'InvalidPart',
          `Part ${expected.partNumber} was replaced while the upload was completed.`,
        );
      const { handle, info: facts } = record;
      const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, facts.sizeBytes));
      for (let offset = 0; offset < facts.sizeBytes; ) {
        const { bytesRead } = await handle.read(
          buffer,
          0,
          Math.min(buffer.length, facts.sizeBytes - offset),
          offset,
        );
        if (bytesRead === 0) throw new Error('a part became shorter');
        await draft.write(buffer.subarray(0, bytesRead));
        offset += bytesRead;
      }
      return facts.sizeBytes;
    } finally {
      await record?.handle.close();
    }
  }

  return {
    find,
    create: async ({ key, startedAt, headers }) => {
      const upload: Upload = { uploadId: randomBytes(16).toString('hex'), key, startedAt, headers };
      const made = join(aside, `new-${upload.uploadId}`);
      await mkdir(made, { mode: 0o700 });
      await writeFile(join(made, ABOUT), JSON.stringify(upload), { mode: 0o600, flush: options.fsync });
      await rename(made, join(root, upload.uploadId));
      if (options.fsync) await syncFolder(root);
      return upload;
    },
    putPart: async (upload, partNumber, draft, facts) => {
      try {
        await draft.publish(join(root, upload.uploadId, partName(partNumber)), facts, 'fail');
      } catch (error) {
        throw errnoOf(error) === 'ENOENT' ? noSuchUpload() : error; // aborted while the part was on its way
      }
    },
    parts: async (upload) => {
      const parts: Part[] = [];
      for (const name of (await readdir(join(root, upload.uploadId))).sort()) {
        const facts = name === ABOUT ? undefined : await readRecord(join(root, upload.uploadId, name));
        if (facts) parts.push({ partNumber: Number(name), info: facts });
      }
      return parts;
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
    complete: (key, uploadId, named, { now, condition }) =>
      withLock(uploadId, async () => {
        const upload = await read(uploadId);
        if (upload?.key !== key) {
          // The answer to the first Complete was lost, and the client asks again.
          const published = await objects.head(key);
          if (published?.uploadId === uploadId) return published;
          throw noSuchUpload();
        }
        const sizeBytes = await checkParts(upload, named);
        const release = await options.disk.reserve(sizeBytes);
        const draft = await objects.stage();
        try {
          let copiedBytes = 0;
          for (const part of named)
            copiedBytes += await copyPart(join(root, uploadId, partName(part.partNumber)), part, draft);
          if (copiedBytes !== sizeBytes) throw new Error('the parts changed while they were copied');
          const digest = createHash('md5').update(
            Buffer.from(named.map((part) => part.etag).join(''), 'hex'),
          );
          const etag = `${digest.digest('hex')}-${named.length}`;
          const facts: ObjectInfo = {
            key,
            sizeBytes,
            etag,
            modifiedAt: now,
            headers: upload.headers,
            uploadId,
          };
          await objects.publish(draft, facts, condition);
          await remove(uploadId);
          return facts;
        } finally {
          await draft.discard();
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
