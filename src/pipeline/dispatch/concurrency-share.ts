/** An account's concurrency, shared out among all workers: WeChat sees the sum. */
import { createHash, randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { FleetPlace } from '../../catalogue/processes/registry.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Health } from '../../runtime/health.ts';

export interface ConcurrencyShares {
  /** How many downloads of the account this worker may run at once; 0 where others have them all. */
  shareOf(account: string, concurrency: number): number;
  /** Until the signal aborts, then says goodbye. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ConcurrencySharesDeps {
  catalogue: { fleet: Pick<Catalogue['fleet'], 'beat' | 'leave'> };
  health: Pick<Health, 'list' | 'refresh'>;
  clock: Clock;
}

const BEAT_MS = 3_000;
/** A response that took longer tells little of the clocks. */
const PROMPT_MS = 1_000;

/**
 * The shares of all workers add up to the concurrency exactly. What does not divide evenly goes round, beginning at
 * another worker for every account, so that with more workers than places none is idle for all accounts.
 */
export function decideShare(
  concurrency: number,
  account: string,
  place: Pick<FleetPlace, 'live' | 'rank'>,
): number {
  const offset = createHash('sha256').update(account).digest().readUInt32BE() % place.live;
  const turn = (place.rank + offset) % place.live;
  return Math.floor(concurrency / place.live) + (turn < concurrency % place.live ? 1 : 0);
}

/** `name`: `host (program, pid)`. `takesMedia`: this process runs a consumer. */
export function createConcurrencyShares(
  deps: ConcurrencySharesDeps,
  self: { name: string; takesMedia: boolean },
): ConcurrencyShares {
  const { catalogue, clock, health } = deps;
  const id = randomUUID();
  // Alone until told otherwise: a burst of the first seconds is better than a start that waits.
  let place: Pick<FleetPlace, 'live' | 'rank'> = { live: 1, rank: 0 };
  let clockAheadMs: number | undefined;

  /** Says that this process lives. What is measured of the clocks is told with the next beat. */
  async function beat(): Promise<void> {
    await health.refresh();
    const sentAtMs = performance.now();
    const found = await catalogue.fleet.beat(id, { ...self, clockAheadMs, conditions: health.list() });
    place = found;
    const tookMs = performance.now() - sentAtMs;
    if (tookMs <= PROMPT_MS)
      clockAheadMs = Math.round(clock.now().getTime() - tookMs / 2 - found.at.getTime());
  }

  return {
    shareOf: (account, concurrency) =>
      place.live === 1 ? concurrency : decideShare(concurrency, account, place),
    run: async (signal) => {
      // The second beat follows at once, so that the clock of a process is known from its start.
      await beat().catch(() => undefined);
      while (!signal.aborted) {
        // With the catalogue away the place last known serves until it is back.
        await beat().catch(() => undefined);
        await clock.sleep(BEAT_MS, signal).catch(() => undefined);
      }
      await catalogue.fleet.leave(id).catch(() => undefined);
    },
  };
}
