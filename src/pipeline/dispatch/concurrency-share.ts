/** Divides an account's concurrency among all workers, because WeChat sees the sum, and sends this process's heartbeat. */
import { createHash, randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Heartbeat, WorkerRank } from '../../catalogue/processes/registry.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/health.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';

export interface ConcurrencyShares {
  /** Returns how many downloads of the account this worker may run at once; 0 where others have them all. */
  shareOf(account: string, concurrency: number): number;
  /** Sends heartbeats until the signal aborts, then signs off from the registry. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ConcurrencySharesDeps {
  catalogue: { processes: Pick<Catalogue['processes'], 'heartbeat' | 'markLeft'> };
  health: Pick<Health, 'list' | 'refresh'>;
  clock: Clock;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors'>;
}

const LOOP = 'heartbeat';
const HEARTBEAT_MS = 3_000;
/** A response that took longer is no measurement of the clock. */
const PROMPT_MS = 1_000;

/**
 * The shares of all workers add up to the concurrency exactly. The remainder of the division goes to other workers for
 * each account, so that with more workers than places none is idle for all accounts.
 */
export function decideShare(
  concurrency: number,
  account: string,
  place: Pick<WorkerRank, 'live' | 'rank'>,
): number {
  const offset = createHash('sha256').update(account).digest().readUInt32BE() % place.live;
  const position = (place.rank + offset) % place.live;
  return Math.floor(concurrency / place.live) + (position < concurrency % place.live ? 1 : 0);
}

/** The process that sends the heartbeats. */
export interface Self extends Pick<Heartbeat, 'name' | 'program' | 'version' | 'isWorker'> {
  /** How many items it works on now. */
  inHand(): number;
}

export function createConcurrencyShares(
  deps: ConcurrencySharesDeps,
  { inHand, ...self }: Self,
): ConcurrencyShares {
  const { catalogue, clock, log, metrics, health } = deps;
  const id = randomUUID();
  // Alone until the first heartbeat: a burst in the first seconds is better than a start that waits.
  let place: Pick<WorkerRank, 'live' | 'rank'> = { live: 1, rank: 0 };
  let clockAheadMs: number | undefined;
  let isFirst = true;

  /** What is measured of the clock goes with the next heartbeat. */
  async function sendHeartbeat(): Promise<void> {
    await health.refresh();
    const sentAtMs = performance.now();
    const found = await catalogue.processes.heartbeat(id, {
      ...self,
      uptimeMs: process.uptime() * 1_000,
      inHand: inHand(),
      clockAheadMs,
      conditions: health.list(),
    });
    place = found;
    const tookMs = performance.now() - sentAtMs;
    if (tookMs <= PROMPT_MS)
      clockAheadMs = Math.round(clock.now().getTime() - tookMs / 2 - found.at.getTime());
  }

  const loop = createPollLoop({
    name: LOOP,
    everyMs: HEARTBEAT_MS,
    log,
    metrics,
    sleep: clock.sleep,
    // While the catalogue is unavailable the place last known stays in use.
    work: async () => {
      await sendHeartbeat();
      // The second heartbeat follows at once, so that the clock of a process is known from its start.
      const waitMs = isFirst ? 0 : HEARTBEAT_MS;
      isFirst = false;
      return waitMs;
    },
  });

  return {
    shareOf: (account, concurrency) =>
      place.live === 1 ? concurrency : decideShare(concurrency, account, place),
    run: async (signal) => {
      await loop.run(signal);
      await catalogue.processes.markLeft(id).catch((error: unknown) => {
        metrics.backgroundErrors.inc({ loop: LOOP });
        log.warn({ err: error }, 'heartbeat: not signed off, the registry drops this process after 15 s');
      });
    },
  };
}
