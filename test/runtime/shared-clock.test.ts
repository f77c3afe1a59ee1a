import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/runtime/clock.ts';
import { createSharedClock } from '../../src/runtime/shared-clock.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 4, 1, 12);

/** A machine whose clock is wrong by `aheadMs`, and a database whose clock is right. */
function setup(given: { aheadMs: number }) {
  const world = { elapsedMs: 0, aheadMs: given.aheadMs, databaseAheadMs: 0 };
  const machine = { now: () => new Date(NOW_MS + world.elapsedMs + world.aheadMs), sleep: systemClock.sleep };
  const clock = createSharedClock(machine, () => world.elapsedMs);
  return {
    world,
    clock,
    compare: () => clock.compare(async () => new Date(NOW_MS + world.elapsedMs + world.databaseAheadMs)),
    wrongByMs: () => clock.now().getTime() - (NOW_MS + world.elapsedMs),
  };
}

describe('the shared clock', () => {
  it("follows the database's where the machine's is days ahead, and measures the skew", async () => {
    const { clock, compare, wrongByMs } = setup({ aheadMs: 4 * DAY_MS });
    assert.equal(wrongByMs(), 4 * DAY_MS, 'nothing is known yet');
    await compare();
    assert.equal(wrongByMs(), 0);
    assert.equal(clock.skewMs, 4 * DAY_MS);
    assert.equal(clock.isCertain, false, 'either of the two may be wrong');
  });

  it('follows the machine where the two differ by no more than usual', async () => {
    const { clock, compare, wrongByMs } = setup({ aheadMs: 3_000 });
    await compare();
    assert.equal(wrongByMs(), 3_000);
    assert.equal(clock.isCertain, true);
  });

  it("ignores a jump of the machine's clock between two comparisons", async () => {
    const { world, compare, wrongByMs } = setup({ aheadMs: 0 });
    await compare();
    world.elapsedMs += 5_000;
    world.aheadMs = 4 * DAY_MS;
    assert.equal(wrongByMs(), 0);
    await compare();
    assert.equal(wrongByMs(), 0);
    world.aheadMs = 0;
    await compare();
    assert.equal(wrongByMs(), 0);
  });

  it('is uncertain for ten minutes after both clocks jumped together, as in one process with its database', async () => {
    const { world, clock, compare } = setup({ aheadMs: 0 });
    await compare();
    assert.equal(clock.isCertain, true);
    world.aheadMs = world.databaseAheadMs = 400 * DAY_MS;
    await compare();
    assert.equal(clock.skewMs, 0);
    assert.equal(clock.isCertain, false);
    world.elapsedMs += 10 * 60_000;
    assert.equal(clock.isCertain, true);
  });
});
