/** Remembers which files were refused, so that a page that is opened again does not convert a hostile file again. */
import type { PreviewReason } from './reasons.ts';

export interface Refusals {
  get(key: string): PreviewReason | undefined;
  add(key: string, reason: PreviewReason): void;
}

const LIMIT = 1_000;
/** Not longer, because a process may be slow or killed for reasons that are not in the file. */
const REMEMBERED_MS = 10 * 60_000;

export function createRefusals(now: () => number = () => performance.now()): Refusals {
  const known = new Map<string, { reason: PreviewReason; until: number }>();
  return {
    get: (key) => {
      const entry = known.get(key);
      if (!entry) return undefined;
      if (entry.until > now()) return entry.reason;
      known.delete(key);
      return undefined;
    },
    add: (key, reason) => {
      // The object may be put right at any moment.
      if (reason === 'not_as_archived') return;
      known.delete(key);
      known.set(key, { reason, until: now() + REMEMBERED_MS });
      const [oldest] = known.keys();
      if (known.size > LIMIT && oldest !== undefined) known.delete(oldest);
    },
  };
}
