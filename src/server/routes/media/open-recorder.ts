/**
 * Records in the audit log which key opened which file: once for each key, item and hour, so that the many requests of
 * a player are one entry. Written in the background: no response waits for it or fails because of it.
 */
import type { OpenEntry } from '../../../catalogue/audit-log/audit-log.ts';
import type { Catalogue } from '../../../catalogue/catalogue.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { createPollLoop, type PollLoopDeps } from '../../../runtime/poll-loop.ts';

export interface OpenRecorder {
  /** `actor`: the name of the key; `item`: the one whose file was opened. Returns at once and never throws. */
  record(actor: string, item: { readonly id: string; readonly account: string }): void;
  /** Writes what is not yet written and ends. What cannot be written at that time is lost. */
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;
const FLUSH_MS = 1_000;
/** The delay after a failed write; usually the database is down. */
const RETRY_MS = 5_000;
const BATCH = 1_000;
/** Entries that wait for the database: about 2 MB. Further ones are not recorded, and are counted as errors. */
const WAITING_LIMIT = 10_000;
/** Entries of this hour that are known to be written. It only saves statements, so it is emptied when it is full. */
const KNOWN_LIMIT = 20_000;
const NAME = 'open-recorder';

export function createOpenRecorder(
  deps: PollLoopDeps & {
    catalogue: { auditLog: Pick<Catalogue['auditLog'], 'addOpens'> };
    clock: Pick<Clock, 'now'>;
  },
  { flushMs = FLUSH_MS, retryMs = RETRY_MS, waitingLimit = WAITING_LIMIT } = {},
): OpenRecorder {
  const waiting = new Map<string, OpenEntry>();
  const known = new Set<string>();
  let dropped = 0;

  async function flush(): Promise<void> {
    const batch = [...waiting].slice(0, BATCH);
    if (batch.length === 0) return;
    await deps.catalogue.auditLog.addOpens(batch.map(([, entry]) => entry));
    if (known.size + batch.length > KNOWN_LIMIT) known.clear();
    for (const [key] of batch) {
      waiting.delete(key);
      known.add(key);
    }
  }

  function reportDropped(): void {
    if (dropped === 0) return;
    deps.metrics.backgroundErrors.inc({ loop: NAME }, dropped);
    deps.log.warn({ opens: dropped }, `${NAME}: too many opens wait for the catalogue, not recorded`);
    dropped = 0;
  }

  const loop = createPollLoop({
    ...deps,
    name: NAME,
    everyMs: retryMs,
    work: async () => {
      reportDropped();
      await flush();
      return waiting.size >= BATCH ? 0 : flushMs;
    },
  });
  const closing = new AbortController();
  const running = loop.run(closing.signal);

  return {
    record: (actor, { id: target, account }) => {
      const at = new Date(Math.floor(deps.clock.now().getTime() / HOUR_MS) * HOUR_MS);
      const key = `${at.getTime()} ${target} ${actor}`;
      if (known.has(key) || waiting.has(key)) return;
      if (waiting.size >= waitingLimit) dropped++;
      else waiting.set(key, { actor, target, account, at });
    },
    close: async () => {
      closing.abort();
      await running;
      try {
        while (waiting.size > 0) await flush();
      } catch (error) {
        dropped += waiting.size;
        deps.log.warn({ err: error }, `${NAME}: the last opens were not recorded`);
      }
      reportDropped();
    },
  };
}
