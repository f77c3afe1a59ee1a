/** When a silence is strange, and when it is a night, a weekend or a slow shop. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dayOf, silentSince, usualSilenceMs } from '../../../src/pipeline/checks/silence.ts';
import { checkOf } from '../../../src/pipeline/checks/table.ts';

const HOUR_MS = 3_600_000;
const last = new Date('2026-03-20T21:00:00Z');
const silentFor = (hours: number) => new Date(last.getTime() + hours * HOUR_MS);

/** Messages on the day of the last callback and on those before it. */
const daysBack = (...counts: number[]) => new Map(counts.map((count, back) => [dayOf(last, -back), count]));
const said = (days: Map<string, number>, hours: number) =>
  silentSince({ lastCallbackAt: last, days }, silentFor(hours)) !== undefined;

describe('an account gets no callback', () => {
  const busy = daysBack(...Array<number>(28).fill(50));
  const fewEveryDay = daysBack(...Array<number>(28).fill(1));
  // 20 March 2026 is a Friday.
  const workdays = daysBack(
    ...Array.from({ length: 28 }, (_, back) => ([0, 6].includes((5 - back + 700) % 7) ? 0 : 30)),
  );

  for (const [what, days, quietHours, strangeHours] of [
    ['busy every day: a night is nothing, a day is', busy, 23, 25],
    ['a message a day, at any hour', fewEveryDay, 47, 49],
    ['on workdays: from Friday night to Tuesday morning is nothing', workdays, 84, 97],
    ['once a week', daysBack(1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1), 190, 193],
  ] as const) {
    test(what, () => {
      assert.equal(said(days, quietHours), false);
      assert.equal(said(days, strangeHours), true);
    });
  }

  test('which has had messages on two days only: nothing can be said of it', () => {
    assert.equal(usualSilenceMs(daysBack(9, 0, 9), last), undefined);
    assert.equal(said(daysBack(9, 0, 9), 1_000), false);
  });

  test('a new account has no silence before its first message', () => {
    assert.equal(usualSilenceMs(daysBack(5, 5, 5), last), 48 * HOUR_MS);
  });

  test('which never had one', () => {
    assert.equal(silentSince({}, last), undefined);
  });
});

test('the limit of a minute is no incident, a day without quota is', () => {
  const heldUntil = silentFor(1);
  const find = (state: object) =>
    checkOf('account_held').find({ now: last, process: 'p', accounts: [{ account: 'wx', ...state }] });
  const held = (failureClass: 'minute_limit' | 'day_quota') =>
    find({ heldUntil, hold: { code: 'quota', class: failureClass } });
  assert.deepEqual(held('minute_limit'), []);
  assert.deepEqual(held('day_quota')?.[0]?.target, 'wx');
  assert.deepEqual(find({}), []);
});
