/** The short form of `npm run test:chaos -- --events …`: 3,000 events, each kind of kill once, compared as strictly. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { missing } from '../../machine/services.ts';
import type { Arrival } from './arrivals.ts';
import { compare, delayOf, type EventRow, findGaps, findImpossible, findUntold } from './check.ts';
import { planEvents, planFewEvents, READERS, RECEIVERS } from './plan.ts';
import { playEvents } from './play.ts';
import { eventsTable, faultsOf } from './print.ts';

const SEED = 20_261_130;
const LEAST_EVENTS = 2_500;
/** Under a minute on a quiet machine. */
const LONG = { timeout: 900_000, skip: missing.redisServer || missing.postgresServer };
const QUIET_LIMIT_MS = 480_000;

describe('events under kills', LONG, () => {
  test('no event is missing at five listeners while every part is killed', LONG, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const script = planFewEvents(SEED);
    const played = await playEvents(script, { quietLimitMs: QUIET_LIMIT_MS }, (line) => t.diagnostic(line));
    for (const line of eventsTable(played).split('\n')) t.diagnostic(line);
    assert.deepEqual(faultsOf(played), []);
    assert.ok(played.events >= LEAST_EVENTS, `${played.events} events: too few to prove`);
    for (const who of ['worker-1', 'server', 'sweeper-1', ...RECEIVERS, ...READERS])
      assert.ok((played.kills[`kill -9 ${who}`] ?? 0) > 0, `${who} was not killed`);
    assert.ok(played.kills['redis kill'] && played.kills['postgres crash'], JSON.stringify(played.kills));
  });
});

const row = (position: number, type: string, media = 'm_1'): EventRow => ({
  position,
  id: `evt_${position}`,
  type,
  account: 'wx1',
  media,
});
const arrival = (sequence: number, delayMs = 0): Arrival => [
  `evt_${sequence}`,
  sequence,
  1_000,
  1_000 + delayMs,
];
const TABLE = [1, 2, 3].map((position) => row(position, 'media.dead', `m_${position}`));

describe('the comparison of events', () => {
  test('counts what is missing and what came twice', () => {
    const found = compare(TABLE, {
      name: 'one',
      isOrdered: false,
      after: 0,
      arrivals: [arrival(3), arrival(1), arrival(3)],
    });
    assert.deepEqual(found.missing, ['2 media.dead evt_2']);
    assert.equal(found.duplicates, 1);
    assert.equal(found.isOrderRestored, false);
  });

  test('leaves out the events before an endpoint was made', () => {
    const found = compare(TABLE, { name: 'one', isOrdered: false, after: 2, arrivals: [arrival(3)] });
    assert.deepEqual(found.missing, []);
    assert.equal(found.isOrderRestored, true);
  });

  test('restores the order by sequence, and notices a reader that got another one', () => {
    const arrivals = [arrival(2), arrival(1), arrival(3)];
    const webhook = compare(TABLE, { name: 'one', isOrdered: false, after: 0, arrivals });
    const reader = compare(TABLE, { name: 'one', isOrdered: true, after: 0, arrivals });
    assert.deepEqual([webhook.outOfOrder, webhook.isOrderRestored], [0, true]);
    assert.deepEqual([reader.outOfOrder, reader.isOrderRestored], [1, true]);
  });

  test('names an arrival that the table does not have, or has at another position', () => {
    const arrivals = [arrival(1), arrival(9), ['evt_2', 3, 0, 0] as const];
    const { foreign } = compare(TABLE, { name: 'one', isOrdered: false, after: 0, arrivals });
    assert.deepEqual(foreign, ['evt_9 with sequence 9', 'evt_2 with sequence 3']);
  });

  test('finds a gap between positions', () => {
    assert.deepEqual(findGaps(TABLE), []);
    assert.deepEqual(findGaps([row(2, 'media.dead'), row(4, 'media.dead')]), ['2 follows 0', '4 follows 2']);
  });

  test('finds events of an item in an order in which they cannot have happened', () => {
    const ofItem = (...types: string[]) => types.map((type, index) => row(index + 1, `media.${type}`));
    assert.deepEqual(findImpossible(ofItem('at_risk', 'dead', 'redriven', 'archived', 'erased')), []);
    assert.equal(findImpossible(ofItem('dead', 'dead')).length, 1);
    assert.equal(findImpossible(ofItem('erased', 'dead')).length, 1);
    assert.equal(findImpossible(ofItem('redriven', 'dead')).length, 1);
  });

  test('finds a row of which no event tells', () => {
    const item = { id: 'm_1', status: 'dead', redrives: 0 };
    assert.deepEqual(findUntold([row(1, 'media.dead')], [item]), []);
    assert.equal(findUntold([], [item]).length, 1);
    assert.equal(findUntold([row(1, 'media.dead')], [{ ...item, redrives: 1 }]).length, 1);
  });

  test('takes delays from the first arrivals of a time', () => {
    const arrivals = [arrival(1, 10), arrival(2, 30), arrival(1, 900)];
    assert.equal(delayOf(arrivals, 0, 2_000, 0.5), 30);
    assert.ok(Number.isNaN(delayOf(arrivals, 0, 1_000, 0.5)));
  });
});

describe('the script of events', () => {
  test('is the same for the same seed, and another for another', () => {
    const plan = (seed: number) => planEvents({ seed, events: 10_000, minutes: 2 });
    assert.deepEqual(plan(7), plan(7));
    assert.notDeepEqual(plan(7), plan(8));
  });

  test('makes about as many events as asked for, and kills every part', () => {
    const { batches, sendings, holds, actions, kills } = planEvents({
      seed: 1,
      events: 100_000,
      minutes: 10,
    });
    const sum = (some: typeof batches) => some.reduce((total, { count }) => total + count, 0);
    const files = batches.filter(({ kind }) => kind === 'file');
    const voices = batches.filter(({ kind }) => kind === 'voice');
    const again = (some: typeof batches) => sum(some.filter(({ later }) => later));
    const events = sum(batches) + again(files) + 2 * again(voices) + sendings.length + 2 * holds.length;
    assert.ok(Math.abs(events - 100_000) < 5_000, `${events} events`);
    const killed = new Set(kills.map(({ who }) => who));
    assert.deepEqual([...killed].sort(), [...RECEIVERS, ...READERS].sort());
    assert.deepEqual([...new Set(actions.map(({ what }) => what))].sort(), ['kill', 'postgres', 'redis']);
  });
});
