/** Delivers what a file holds, and removes it only then: after a crash a file is delivered again from its start. */
import { readFile, rename } from 'node:fs/promises';
import type { Log } from '../runtime/log.ts';
import { readRecords } from './record.ts';
import { removeFile, setAside } from './slot.ts';

/**
 * Writes records where they belong, again and again if need be. Answers those that can never be written; rejects
 * when none can be now.
 */
export type Deliver = (texts: readonly string[]) => Promise<readonly string[]>;

const GROUP_RECORDS = 200;

export function createReplay(options: {
  spoolFolder: string;
  log: Pick<Log, 'info' | 'error'>;
  onRemoved: (path: string) => void;
}) {
  const { spoolFolder, log, onRemoved: onGone } = options;
  /** How far a file was delivered before it was interrupted, and what of it was refused. */
  const progress = new Map<string, { next: number; refused: string[] }>();

  async function read(path: string): Promise<Buffer | undefined> {
    try {
      return await readFile(path);
    } catch (error) {
      await rename(path, `${path}.unreadable`);
      log.error({ err: error, path }, 'spool: a file cannot be read; it is kept as .unreadable');
      onGone(path);
      return undefined;
    }
  }

  /** Nobody may still be writing to the file. Rejects as `deliver` does, or when the signal aborts. */
  return async (path: string, deliver: Deliver, signal: AbortSignal): Promise<void> => {
    const bytes = await read(path);
    if (!bytes) return;
    const { texts, damaged, tornBytes } = readRecords(bytes);
    const done = progress.get(path) ?? { next: 0, refused: [] };
    progress.set(path, done);
    while (done.next < texts.length) {
      signal.throwIfAborted();
      const group = texts.slice(done.next, done.next + GROUP_RECORDS);
      done.refused.push(...(await deliver(group)));
      done.next += group.length;
    }
    const bad = [...damaged, ...done.refused];
    if (bad.length > 0) {
      const kept = await setAside(spoolFolder, bad);
      log.error(
        { path: kept, damaged: damaged.length, refused: done.refused.length },
        'spool: records that cannot be written were set aside; look at them, nothing tries them again',
      );
    }
    if (tornBytes > 0)
      log.info({ path, bytes: tornBytes }, 'spool: the last write was cut off before it was answered');
    await removeFile(path);
    progress.delete(path);
    onGone(path);
  };
}
