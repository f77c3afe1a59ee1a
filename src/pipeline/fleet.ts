/** An account's concurrency, shared out among all workers: WeChat sees the sum. */
import { createHash, randomUUID } from 'node:crypto';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { FleetPlace } from '../catalogue/fleet.ts';
import type { Clock } from '../clock.ts';

export interface Fleet {
  /** How many downloads of the account this worker may run at once; 0 where others have them all. */
  shareOf(account: string, concurrency: number): number;
  /** Until the signal aborts, then says goodbye. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const BEAT_MS = 3_000;
const DEAD_MS = 15_000;

/**
 * The shares of all workers add up to the concurrency exactly. What does not divide evenly goes round, beginning at
 * another worker for every account, so that with more workers than places none is idle for all accounts.
 */
export function decideShare(concurrency: number, account: string, place: FleetPlace): number {
  const offset = createHash('sha256').update(account).digest().readUInt32BE() % place.live;
  const turn = (place.rank + offset) % place.live;
  return Math.floor(concurrency / place.live) + (turn < concurrency % place.live ? 1 : 0);
}

export function createFleet(deps: { catalogue: { fleet: Catalogue['fleet'] }; clock: Clock }): Fleet {
  const { catalogue, clock } = deps;
  const id = randomUUID();
  // Alone until told otherwise: a burst of the first seconds is better than a start that waits.
  let place: FleetPlace = { live: 1, rank: 0 };

  return {
    shareOf: (account, concurrency) =>
      place.live === 1 ? concurrency : decideShare(concurrency, account, place),
    run: async (signal) => {
      while (!signal.aborted) {
        const now = clock.now();
        try {
          place = await catalogue.fleet.beat(id, now, new Date(now.getTime() - DEAD_MS));
        } catch {
          // The catalogue is away: the place last known serves until it is back.
        }
        await clock.sleep(BEAT_MS, signal).catch(() => undefined);
      }
      await catalogue.fleet.leave(id).catch(() => undefined);
    },
  };
}
