/** The folder of objects: published whole, opened, removed. Where a key lies is key-path.ts's business. */
import { mkdir, readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { S3Error } from '../protocol/responses.ts';
import { namesOfKey } from './key-path.ts';
import {
  createStagedFile,
  errnoOf,
  type ObjectInfo,
  type OpenRecord,
  openRecord,
  readRecord,
  type StagedFile,
  syncFolder,
} from './record-file.ts';

/** `If-None-Match: *` and `If-Match: "…"` of a write. */
export type WriteCondition = { readonly absent: true } | { readonly etag: string } | undefined;

export interface ObjectFolder {
  /** The root of the objects' tree, for listings. */
  readonly root: string;
  /** Begins a file aside, in the same file system. */
  stage(): Promise<StagedFile>;
  /** @throws S3Error PreconditionFailed; the draft is then still the caller's to discard. */
  publish(draft: StagedFile, facts: ObjectInfo, condition: WriteCondition): Promise<void>;
  open(key: string): Promise<OpenRecord | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Removing what is not there is no error, as in S3. */
  delete(key: string): Promise<void>;
}

/** Runs tasks of one name one after the other, of different names at once. */
export function createKeyedMutex(): <T>(name: string, task: () => Promise<T>) => Promise<T> {
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

/** Opens the folder and sweeps what an earlier process left half-written; nobody else may be using it. */
export async function openObjectFolder(folder: string, fsync: boolean): Promise<ObjectFolder> {
  const root = join(folder, 'objects');
  const aside = join(folder, 'aside');
  await mkdir(root, { recursive: true, mode: 0o700 });
  await mkdir(aside, { recursive: true, mode: 0o700 });
  for (const name of await readdir(aside)) await rm(join(aside, name), { recursive: true, force: true });

  const withLock = createKeyedMutex();
  const pathOf = (key: string) => join(root, ...namesOfKey(key));
  const head = (key: string) => readRecord(pathOf(key));

  async function check(key: string, condition: WriteCondition): Promise<void> {
    if (!condition) return;
    const facts = await head(key);
    const holds = 'absent' in condition ? !facts : facts?.etag === condition.etag;
    if (!holds) throw new S3Error('PreconditionFailed', 'The object is not as the condition wants it.');
  }

  return {
    root,
    stage: () => createStagedFile(aside, fsync),
    publish: (draft, facts, condition) =>
      withLock(facts.key, async () => {
        await check(facts.key, condition);
        await draft.publish(pathOf(facts.key), facts, 'make');
      }),
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
      if (fsync) await syncFolder(dirname(path)).catch(() => {}); // pruned by a neighbour: synced enough
      for (let parent = dirname(path); parent !== root; parent = dirname(parent)) {
        const gone = await rmdir(parent).then(
          () => true,
          () => false, // not empty, or gone already
        );
        if (!gone) return;
      }
    },
  };
}
