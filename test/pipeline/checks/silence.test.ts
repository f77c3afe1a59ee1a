/** When a silence of an account is unusual, and when it is a night, a weekend or a slow business. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dayOf, silentSince, usualSilenceMs } from '../../../src/pipeline/checks/silence.ts';
import { checkOf } from '../../../src/pipeline/checks/table.ts';

const HOUR_MS = 3_600_000;
const last = new Date('2026-03-20T21:00:00Z');
const silentFor = (hours: number) => new Date(last.getTime() + hours * HOUR_MS);

/** Messages on the day of the last callback and on those before it. */
const daysBack = (...counts: number[]) => new Map(counts.map((count, back) => [dayOf(last, -back), count]));
const isUnusual = (days: Map<string, number>, hours: number) =>
  silentSince({ lastCallbackAt: last, days }, silentFor(hours)) !== undefined;

describe('the silence of an account', () => {
  const busy = daysBack(...Array<number>(28).fill(50));
  const fewEveryDay = daysBack(...Array<number>(28).fill(1));
  // 20 March 2026 is a Friday.
  const workdays = daysBack(
    ...Array.from({ length: 28 }, (_, back) => ([0, 6].includes((5 - back + 700) % 7) ? 0 : 30)),
  );

  for (const [name, days, usualHours, unusualHours] of [
    ['is unusual after a day where every day is busy, and usual for a night', busy, 23, 25],
    ['is unusual after two days where there is a message a day', fewEveryDay, 47, 49],
    ['is usual from Friday night to Tuesday morning where messages come on workdays', workdays, 84, 97],
    [
      'is unusual after eight days where there is a message a week',
      daysBack(1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1),
      190,
      193,
    ],
  ] as const) {
    test(name, () => {
      assert.equal(isUnusual(days, usualHours), false);
      assert.equal(isUnusual(days, unusualHours), true);
    });
  }

  test('is never unusual where there were messages on two days only', () => {
    assert.equal(usualSilenceMs(daysBack(9, 0, 9), last), undefined);
    assert.equal(isUnusual(daysBack(9, 0, 9), 1_000), false);
  });

  test('does not count before the first message of a new account', () => {
    assert.equal(usualSilenceMs(daysBack(5, 5, 5), last), 48 * HOUR_MS);
  });

  test('is undefined without a callback', () => {
    assert.equal(silentSince({}, last), undefined);
  });
});

test('a limit per minute is no finding, a used-up day quota is one', () => {
  const heldUntil = silentFor(1);
  const find = (state: object) =>
    checkOf('account_held').find({ now: last, process: 'p', accounts: [{ account: 'wx', ...state }] });
  const held = (failureClass: 'minute_limit' | 'day_quota') =>
    find({ heldUntil, hold: { code: 'quota', class: failureClass } });
  assert.deepEqual(held('minute_limit'), []);
  assert.deepEqual(held('day_quota')?.[0]?.target, 'wx');
  assert.deepEqual(find({}), []);
});
