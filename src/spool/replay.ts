/** Delivers the records of a file and then removes it: after a crash the file is delivered again from its start. */
import { readFile, rename } from 'node:fs/promises';
import type { Log } from '../runtime/log.ts';
import { readRecords } from './record.ts';
import { removeFile, setAside } from './slot.ts';

/**
 * Writes records to their destination. Idempotent, because records may be delivered twice. Resolves with those that
 * can never be written; rejects when the destination is unavailable.
 */
export type Deliver = (texts: readonly string[]) => Promise<readonly string[]>;

const BATCH_RECORDS = 200;

export function createReplay(options: {
  spoolFolder: string;
  log: Pick<Log, 'info' | 'error'>;
  onRemoved: (path: string) => void;
}) {
  const { spoolFolder, log, onRemoved: onGone } = options;
  /** Of interrupted files: the next record to deliver, and the refused ones so far. */
  const progress = new Map<string, { next: number; refused: string[] }>();

  async function read(path: string): Promise<Buffer | undefined> {
    try {
      return await readFile(path);
    } catch (error) {
      await rename(path, `${path}.unreadable`);
      log.error({ err: error, path }, 'spool: file cannot be read, renamed to .unreadable');
      onGone(path);
      return undefined;
    }
  }

  /** The file must be closed. Rejects when `deliver` does, or when the signal aborts. */
  return async (path: string, deliver: Deliver, signal: AbortSignal): Promise<void> => {
    const bytes = await read(path);
    if (!bytes) return;
    const { texts, damaged, tornBytes } = readRecords(bytes);
    const state = progress.get(path) ?? { next: 0, refused: [] };
    progress.set(path, state);
    while (state.next < texts.length) {
      signal.throwIfAborted();
      const batch = texts.slice(state.next, state.next + BATCH_RECORDS);
      state.refused.push(...(await deliver(batch)));
      state.next += batch.length;
    }
    const bad = [...damaged, ...state.refused];
    if (bad.length > 0) {
      const asidePath = await setAside(spoolFolder, bad);
      log.error(
        { path: asidePath, damaged: damaged.length, refused: state.refused.length },
        'spool: records set aside, inspect them; they are not delivered again',
      );
    }
    if (tornBytes > 0)
      log.info({ path, bytes: tornBytes }, 'spool: last write was cut off before it was acknowledged');
    await removeFile(path);
    progress.delete(path);
    onGone(path);
  };
}
