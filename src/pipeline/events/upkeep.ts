/** The background work on events: writes `media.at_risk`, and ends the life of old events. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { AT_RISK_SHARE, type Clock, KNOWN_MS, type Lifetimes } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop, type PollLoop } from '../../runtime/poll-loop.ts';

export interface EventUpkeepDeps {
  catalogue: { events: Pick<Catalogue['events'], 'markAtRisk' | 'dropExpired'> };
  clock: Pick<Clock, 'now' | 'sleep' | 'isCertain'>;
  lifetimes: Lifetimes;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors' | 'loopFailing'>;
}

const LONGEST_MS = 30_000;
const SHORTEST_MS = 1_000;

/** `retentionMs`: EVENT_RETENTION, scaled. It needs no lease: every process may do it at the same time. */
export function createEventUpkeep(deps: EventUpkeepDeps, { retentionMs }: { retentionMs: number }): PollLoop {
  const { catalogue, clock, lifetimes, log, metrics } = deps;
  const everyMs = Math.max(SHORTEST_MS, Math.min(LONGEST_MS, lifetimes.scale(LONGEST_MS), retentionMs / 10));

  async function markAtRisk(signal: AbortSignal): Promise<void> {
    let marked = 1;
    while (marked > 0 && !signal.aborted) {
      const now = clock.now();
      const after = (ms: number) => new Date(now.getTime() + ms);
      marked = await catalogue.events.markAtRisk({
        now,
        near: after(lifetimes.lifetimeMs / AT_RISK_SHARE),
        knownBefore: after(-lifetimes.scale(KNOWN_MS)),
      });
    }
  }

  return createPollLoop({
    name: 'event-upkeep',
    everyMs,
    jitter: 0.2,
    log,
    metrics,
    sleep: clock.sleep,
    work: async (signal) => {
      // With a wrong clock, items would be announced that have days left.
      if (clock.isCertain !== false) await markAtRisk(signal);
      const emptied = await catalogue.events.dropExpired(retentionMs, signal);
      if (emptied > 0) log.info({ partitions: emptied }, 'events: removed those older than EVENT_RETENTION');
    },
  });
}
