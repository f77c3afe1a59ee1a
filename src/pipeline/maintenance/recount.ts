/** Recounts the counts by status once a day for all processes, so that they are right after a restore too. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Clock } from '../../runtime/clock.ts';
import { createLease } from '../../runtime/lease.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';

export interface RecounterDeps {
  catalogue: {
    leases: Pick<Catalogue['leases'], 'take' | 'drop'>;
    stats: Pick<Catalogue['stats'], 'recount'>;
  };
  clock: Clock;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors'>;
}

export interface Recounter {
  /** Resolves with the number of corrected counts, or with undefined where a recount was done within a day. */
  recount(signal: AbortSignal): Promise<number | undefined>;
  /** Recounts until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export const RECOUNT_EVERY_MS = 24 * 3_600_000;
const POLL_MS = 10 * 60_000;

export function createRecounter({ catalogue, clock, log, metrics }: RecounterDeps): Recounter {
  async function recount(signal: AbortSignal): Promise<number | undefined> {
    // Kept for a day and never renewed, so each recount has a lease of its own: it records when the last one was.
    const lease = createLease(
      { leases: catalogue.leases, clock },
      { name: 'recount', durationMs: RECOUNT_EVERY_MS },
    );
    if (!(await lease.take())) return undefined;
    try {
      const { corrected, accounts } = await catalogue.stats.recount(signal);
      if (corrected > 0) log.warn({ corrected, accounts }, 'recount: corrected wrong counts by status');
      return corrected;
    } catch (error) {
      await lease.drop().catch(() => undefined);
      throw error;
    }
  }

  const loop = createPollLoop({
    name: 'recount',
    everyMs: POLL_MS,
    waitsFirst: true,
    log,
    metrics,
    sleep: clock.sleep,
    work: async (signal) => void (await recount(signal)),
  });

  return { recount, run: loop.run };
}
