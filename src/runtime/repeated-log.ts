/**
 * Limits log lines that may repeat without bound, because clients or a lasting fault cause them. The first is written
 * at once; the following ones are counted and written as one line a minute.
 */
import type { Log } from './log.ts';

type Level = 'info' | 'warn' | 'error';

export interface RepeatedLog {
  /**
   * Writes or counts a line. Lines with the same `key` are counted together. The line of a minute has the fields of the
   * last one and a `count`.
   */
  write(level: Level, key: string, fields: object, message: string): void;
  /** Writes the counts that are not yet written. */
  close(): void;
}

const EVERY_MS = 60_000;
/**
 * The maximum number of keys, which limits the memory. Keys contain no part of a request, so they are few. Keys beyond
 * the limit share one count.
 */
const KEYS_LIMIT = 1_000;

interface Window {
  count: number;
  last: () => void;
  timer: NodeJS.Timeout;
}

export function createRepeatedLog(log: Pick<Log, Level>, { everyMs = EVERY_MS } = {}): RepeatedLog {
  const windows = new Map<string, Window>();

  function end(key: string, window: Window): void {
    if (window.count === 0) return void windows.delete(key);
    window.last();
    window.count = 0;
    window.timer.refresh();
  }

  return {
    write: (level, key, fields, message) => {
      const known = windows.get(key);
      const window = known ?? (windows.size < KEYS_LIMIT ? undefined : windows.get('others'));
      if (!window) {
        const name = windows.size < KEYS_LIMIT - 1 ? key : 'others';
        log[level]({ ...fields, count: 1 }, message);
        const opened: Window = {
          count: 0,
          last: () => undefined,
          timer: setTimeout(() => end(name, opened), everyMs).unref(),
        };
        windows.set(name, opened);
        return;
      }
      window.count++;
      window.last = () => log[level]({ ...fields, count: window.count }, message);
    },
    close: () => {
      for (const { timer, count, last } of windows.values()) {
        clearTimeout(timer);
        if (count > 0) last();
      }
      windows.clear();
    },
  };
}
