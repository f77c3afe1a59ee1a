/** The folder of objects: publish, open and delete. key-path.ts decides the path of a key. */
import { mkdir, readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../../../runtime/disk/fsync.ts';
import { namesOfKey } from './key-path.ts';
import {
  createStagedFile,
  errnoOf,
  type ObjectInfo,
  type OpenRecord,
  openRecord,
  readRecord,
  type StagedFile,
} from './record-file.ts';

export interface ObjectFolder {
  /** The root of the tree of objects, for listings. */
  readonly root: string;
  /** Begins a staged file, in the same file system. */
  stage(): Promise<StagedFile>;
  publish(staged: StagedFile, info: ObjectInfo): Promise<void>;
  open(key: string): Promise<OpenRecord | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Idempotent, as in S3. */
  delete(key: string): Promise<void>;
}

/** Opens the folder and removes what an earlier process left half-written. No other process may use the folder. */
export async function openObjectFolder(folder: string, fsync: boolean): Promise<ObjectFolder> {
  const root = join(folder, 'objects');
  const aside = join(folder, 'aside');
  await mkdir(root, { recursive: true, mode: 0o700 });
  await mkdir(aside, { recursive: true, mode: 0o700 });
  for (const name of await readdir(aside)) await rm(join(aside, name), { recursive: true, force: true });

  const pathOf = (key: string) => join(root, ...namesOfKey(key));
  const head = (key: string) => readRecord(pathOf(key));

  return {
    root,
    stage: () => createStagedFile(aside, fsync),
    publish: (staged, info) => staged.publish(pathOf(info.key), info, 'make'),
    open: (key) => openRecord(pathOf(key)),
    head,
    delete: async (key) => {
      const path = pathOf(key);
      try {
        await unlink(path);
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
        throw error;
      }
      if (fsync) await syncFolder(dirname(path)).catch(() => {}); // removed by the delete of another key
      for (let parent = dirname(path); parent !== root; parent = dirname(parent)) {
        const isRemoved = await rmdir(parent).then(
          () => true,
          () => false, // not empty, or removed already
        );
        if (!isRemoved) return;
      }
    },
  };
}
