import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseUnavailableError } from '../../../src/catalogue/database/database.ts';
import type { Heartbeat, WorkerRank } from '../../../src/catalogue/processes/registry.ts';
import { createConcurrencyShares, decideShare } from '../../../src/pipeline/dispatch/concurrency-share.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { createRecordingLog } from '../recording-log.ts';

const NOON = new Date('2026-05-01T12:00:00Z');
const ACCOUNTS = Array.from({ length: 50 }, (_, n) => `wx${n}`);

describe('decideShare', () => {
  it('divides an account’s concurrency without a remainder and without exceeding it', () => {
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

  it('leaves no worker without a share of some account', () => {
    for (let rank = 0; rank < 8; rank++) {
      assert.ok(ACCOUNTS.some((account) => decideShare(1, account, { live: 8, rank }) === 1));
    }
  });
});

/** Runs a worker until it has slept `sleeps` times; `respond` is the catalogue's response to each heartbeat. */
async function run(sleeps: number, respond: () => Promise<WorkerRank>) {
  const stop = new AbortController();
  const reported: (number | undefined)[] = [];
  const shares: number[] = [];
  let signOffs = 0;
  const rows = {
    heartbeat: async (_id: string, { clockAheadMs }: Heartbeat) => {
      reported.push(clockAheadMs);
      return await respond();
    },
    markLeft: async () => {
      signOffs++;
      throw new DatabaseUnavailableError('unavailable');
    },
  };
  const sleep = async () => {
    if (shares.push(heartbeat.shareOf('wx1', 8)) === sleeps) stop.abort();
  };
  const { log, lines } = createRecordingLog();
  const heartbeat = createConcurrencyShares(
    {
      catalogue: { processes: rows },
      health: { list: () => [], refresh: async () => undefined },
      clock: { now: () => NOON, sleep },
      log,
      metrics: createMetrics(),
    },
    { name: 'worker', program: 'worker', version: '1.2.3', isWorker: true, inHand: () => 0 },
  );
  await heartbeat.run(stop.signal);
  return { reported, shares, signOffs, messages: lines.map(({ message }) => message) };
}

describe('the heartbeat of a worker', () => {
  it('keeps the last share while the catalogue is unavailable, and signs off at the end', async () => {
    // The first heartbeat is followed by another one at once.
    const lives = [1, 1, 4, undefined, 2];
    const { shares, signOffs, messages } = await run(4, async () => {
      const live = lives.shift();
      if (live === undefined) throw new DatabaseUnavailableError('unavailable');
      return { live, rank: 0, at: NOON };
    });
    assert.deepEqual(shares, [8, 2, 2, 4]);
    assert.equal(signOffs, 1);
    assert.equal(messages[0], 'heartbeat: failed, retrying');
    assert.match(messages.at(-1) ?? '', /^heartbeat: not signed off/);
  });

  it('reports how far its clock is ahead, less half the round trip, and ignores a slow round trip', async (t) => {
    const trips = [400, 5_000, 600, 0];
    let uptimeMs = 0;
    t.mock.method(performance, 'now', () => uptimeMs);
    const { reported } = await run(3, async () => {
      uptimeMs += trips.shift()!;
      return { live: 1, rank: 0, at: new Date(NOON.getTime() - 7_000) };
    });
    assert.deepEqual(reported, [undefined, 6_800, 6_800, 6_700]);
  });
});
