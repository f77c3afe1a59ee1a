/**
 * Logs what was archived: each item at level debug, and one line a minute at level info while items are archived. A line
 * for each item would hide every other line.
 */
import type { Log } from '../../runtime/log.ts';

export interface ArchivedLog {
  add(item: { id: string; key: string; bytes: number }): void;
  /** Writes the line of the minute that has begun. */
  close(): void;
}

const EVERY_MS = 60_000;

export function createArchivedLog(
  log: Pick<Log, 'debug' | 'info'>,
  { everyMs = EVERY_MS } = {},
): ArchivedLog {
  let count = 0;
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  function write(): void {
    clearTimeout(timer);
    timer = undefined;
    if (count > 0) log.info({ count, bytes }, 'archive: archived');
    count = 0;
    bytes = 0;
  }
  return {
    add: (item) => {
      log.debug(item, 'archive: item archived');
      count++;
      bytes += item.bytes;
      timer ??= setTimeout(write, everyMs).unref();
    },
    close: write,
  };
}
