/**
 * Makes changes of names in a folder durable: a created, renamed or deleted file is on disk only after its folder was
 * synced.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

const running = new Map<string, Promise<void>>();
const next = new Map<string, Promise<void>>();

/**
 * Resolves when every change of names in `folder` before the call survives a power failure. Calls that arrive while a
 * sync is running share the next one: 16 uploads of one day are in one folder and need two syncs, not 16. Rejects with
 * the error of the file system, such as ENOENT.
 */
export function syncFolder(folder: string): Promise<void> {
  const waiting = next.get(folder);
  if (waiting !== undefined) return waiting;
  const before = running.get(folder) ?? Promise.resolve();
  const sync: Promise<void> = before
    .catch(() => {})
    .then(async () => {
      next.delete(folder);
      running.set(folder, sync);
      try {
        const handle = await open(folder, constants.O_RDONLY);
        await handle.sync().finally(() => handle.close());
      } finally {
        if (running.get(folder) === sync) running.delete(folder);
      }
    });
  next.set(folder, sync);
  return sync;
}
