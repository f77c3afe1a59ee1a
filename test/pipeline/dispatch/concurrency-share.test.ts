import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseAwayError } from '../../../src/catalogue/database/database.ts';
import type { FleetPlace, Heartbeat } from '../../../src/catalogue/processes/registry.ts';
import { createConcurrencyShares, decideShare } from '../../../src/pipeline/dispatch/concurrency-share.ts';

const NOON = new Date('2026-05-01T12:00:00Z');
const ACCOUNTS = Array.from({ length: 50 }, (_, n) => `wx${n}`);

describe('the fleet', () => {
  it('shares an account’s concurrency out to the last place and no further', () => {
    for (const account of ACCOUNTS) {
      for (let live = 1; live <= 9; live++) {
        for (const concurrency of [1, 4, 7]) {
          const shares = Array.from({ length: live }, (_, rank) =>
            decideShare(concurrency, account, { live, rank }),
          );
          assert.equal(
            shares.reduce((sum, share) => sum + share, 0),
            concurrency,
          );
          assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
        }
      }
    }
  });

  it('leaves no worker idle for all accounts', () => {
    for (let rank = 0; rank < 8; rank++) {
      assert.ok(ACCOUNTS.some((account) => decideShare(1, account, { live: 8, rank }) === 1));
    }
  });
});

/** Runs a worker until it has slept `sleeps` times; `answer` is what the catalogue says to each of its beats. */
async function run(sleeps: number, answer: () => Promise<FleetPlace>) {
  const stop = new AbortController();
  const told: (number | undefined)[] = [];
  const shares: number[] = [];
  let goodbyes = 0;
  const rows = {
    beat: async (_id: string, { clockAheadMs }: Heartbeat) => {
      told.push(clockAheadMs);
      return await answer();
    },
    leave: async () => {
      goodbyes++;
      throw new DatabaseAwayError('away');
    },
  };
  const sleep = async () => {
    if (shares.push(fleet.shareOf('wx1', 8)) === sleeps) stop.abort();
  };
  const fleet = createConcurrencyShares(
    {
      catalogue: { fleet: rows },
      health: { list: () => [], refresh: async () => undefined },
      clock: { now: () => NOON, sleep },
    },
    { name: 'worker', takesMedia: true },
  );
  await fleet.run(stop.signal);
  return { told, shares, goodbyes };
}

describe('a worker of the fleet', () => {
  it('takes its share, keeps the last one while the catalogue is away, and says goodbye', async () => {
    // The first beat is followed by another one at once.
    const lives = [1, 1, 4, undefined, 2];
    const { shares, goodbyes } = await run(4, async () => {
      const live = lives.shift();
      if (live === undefined) throw new DatabaseAwayError('away');
      return { live, rank: 0, at: NOON };
    });
    assert.deepEqual(shares, [8, 2, 2, 4]);
    assert.equal(goodbyes, 1);
  });

  it('tells how far its clock is ahead, less half the trip, and nothing new after a slow trip', async (t) => {
    const trips = [400, 5_000, 600, 0];
    let uptimeMs = 0;
    t.mock.method(performance, 'now', () => uptimeMs);
    const { told } = await run(3, async () => {
      uptimeMs += trips.shift()!;
      return { live: 1, rank: 0, at: new Date(NOON.getTime() - 7_000) };
    });
    assert.deepEqual(told, [undefined, 6_800, 6_800, 6_700]);
  });
});
