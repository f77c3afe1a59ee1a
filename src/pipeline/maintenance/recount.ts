/** Recounts the counts by status once a day for all processes: cheap, and right again whatever was restored. */
import { randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';

export interface RecounterDeps {
  catalogue: {
    leases: Pick<Catalogue['leases'], 'take' | 'drop'>;
    stats: Pick<Catalogue['stats'], 'recount'>;
  };
  clock: Clock;
  log: Pick<Log, 'info' | 'warn'>;
}

const LEASE = 'recount';
export const RECOUNT_EVERY_MS = 24 * 3_600_000;
const LOOK_MS = 10 * 60_000;

export function createRecounter({ catalogue, clock, log }: RecounterDeps) {
  /** Undefined: it has been done within a day. */
  async function recount(signal: AbortSignal): Promise<number | undefined> {
    // The lease is kept for a day and not renewed: it records when the last recount was.
    const holder = randomUUID();
    const now = clock.now();
    const until = new Date(now.getTime() + RECOUNT_EVERY_MS);
    if (!(await catalogue.leases.take(LEASE, holder, now, until))) return undefined;
    try {
      const { corrected, accounts } = await catalogue.stats.recount(signal);
      if (corrected > 0) log.warn({ corrected, accounts }, 'recount: counts by status were wrong, corrected');
      return corrected;
    } catch (error) {
      await catalogue.leases.drop(LEASE, holder).catch(() => undefined);
      throw error;
    }
  }

  return {
    recount,
    /** Until the signal aborts. Never rejects. */
    run: async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        await clock.sleep(LOOK_MS, signal).catch(() => undefined);
        if (signal.aborted) return;
        await recount(signal).catch((error) => {
          if (!signal.aborted) log.warn({ err: error }, 'recount: not finished, again in ten minutes');
        });
      }
    },
  };
}
