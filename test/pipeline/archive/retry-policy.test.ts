import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FailureClass } from '../../../src/failures.ts';
import {
  decideNextAttempt,
  type RetryFacts,
  untilBeijingMidnightMs,
} from '../../../src/pipeline/archive/retry-policy.ts';

const SENT = new Date('2026-05-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const EXPIRES = new Date(SENT.getTime() + 72 * HOUR_MS);
const CLOSES = new Date(SENT.getTime() + 74 * HOUR_MS);

const facts = (failureClass: FailureClass, more: Partial<RetryFacts> = {}): RetryFacts => ({
  failure: { code: 'x', class: failureClass },
  attempts: 1,
  startedAt: more.now ?? SENT,
  now: SENT,
  expiresAt: EXPIRES,
  closesAt: CLOSES,
  random: 0.5,
  scale: (ms) => ms,
  ...more,
});

/** Deterministic numbers in [0, 1). */
function* randoms(seed: number): Generator<number, never> {
  let state = seed >>> 0;
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** An item that always fails: the times of its attempts, until it is closed. */
function playOutage(failureClass: FailureClass, seed: number): { attemptsAt: number[]; end: string } {
  const random = randoms(seed);
  const attemptsAt = [SENT.getTime()];
  for (let attempts = 1; attempts < 10_000; attempts++) {
    const now = new Date(attemptsAt.at(-1)!);
    const decision = decideNextAttempt(facts(failureClass, { attempts, now, random: random.next().value }));
    if (decision.next === 'dead' || decision.next === 'expired') return { attemptsAt, end: decision.next };
    // The sweeper closes what waits beyond closesAt.
    if (decision.at > CLOSES) return { attemptsAt, end: 'closed' };
    attemptsAt.push(decision.at.getTime());
  }
  return { attemptsAt, end: 'never' };
}

describe('retry policy', () => {
  it('attempts an item three times within 30 seconds, whatever the random numbers', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const { attemptsAt } = playOutage('transient', seed);
      assert.ok(attemptsAt[2]! - attemptsAt[0]! <= 30_000, `seed ${seed}`);
    }
  });

  it('attempts an item until its deadline, once more before the row closes, and then not again', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const { attemptsAt, end } = playOutage('store', seed);
      assert.equal(end, 'closed');
      const late = attemptsAt.filter((at) => at >= EXPIRES.getTime());
      assert.equal(late.length, 1, `seed ${seed}`);
      assert.ok(late[0]! < CLOSES.getTime());
    }
  });

  it('makes the last attempt also where the one before it began in time and ended late', () => {
    const inMs = (at: Date, ms: number) => new Date(at.getTime() + ms);
    for (const random of [0, 0.5, 0.999]) {
      for (const lateMs of [0, 30_000, HOUR_MS]) {
        const now = inMs(EXPIRES, lateMs);
        const straddling = { attempts: 9, startedAt: inMs(EXPIRES, -1), now, random };
        const decision = decideNextAttempt(facts('transient', straddling));
        assert.ok(
          'at' in decision && decision.at > now && decision.at < CLOSES,
          `${random}, ${lateMs} ms late`,
        );
      }
      const late = decideNextAttempt(
        facts('transient', { attempts: 10, startedAt: EXPIRES, now: EXPIRES, random }),
      );
      assert.ok('at' in late && late.at > CLOSES, 'and none after it');
    }
  });

  it('never waits longer than an eighth of the time left, and bounds the number of attempts', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const { attemptsAt } = playOutage('transient', seed);
      for (const [place, at] of attemptsAt.slice(0, -1).entries()) {
        const left = EXPIRES.getTime() - at;
        const waited = attemptsAt[place + 1]! - at;
        if (left > 10 * 60_000)
          assert.ok(waited <= Math.max(left / 8, 30_000), `seed ${seed}, attempt ${place}`);
      }
      assert.ok(attemptsAt.length < 400, `${attemptsAt.length} attempts`);
    }
  });

  it('treats 40007 as a wrong id before the deadline and as an expired item after it', () => {
    const gone = { failure: { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } } as const;
    assert.equal(decideNextAttempt(facts('permanent_media', gone)).next, 'dead');
    assert.equal(decideNextAttempt(facts('permanent_media', { ...gone, now: EXPIRES })).next, 'expired');
    const other = { failure: { code: 'too_large', class: 'permanent_media' }, now: EXPIRES } as const;
    assert.equal(decideNextAttempt(facts('permanent_media', other)).next, 'dead');
  });

  it('attempts an item with an unknown errcode three times', () => {
    assert.equal(decideNextAttempt(facts('unknown', { attempts: 2 })).next, 'retry');
    assert.equal(decideNextAttempt(facts('unknown', { attempts: 3 })).next, 'dead');
  });

  it('holds the account for quotas and refusals of the account', () => {
    for (const failureClass of ['minute_limit', 'day_quota', 'account'] as const) {
      const decision = decideNextAttempt(facts(failureClass));
      assert.equal(decision.next, 'holdAccount');
    }
    const quota = decideNextAttempt(facts('day_quota', { random: 0 }));
    assert.ok('at' in quota);
    assert.equal(quota.at.toISOString(), '2026-05-01T16:00:00.000Z', 'Beijing midnight');
  });

  it('waits at least as long as Retry-After asks', () => {
    const decision = decideNextAttempt(facts('transient', { retryAfterMs: 25_000 }));
    assert.ok('at' in decision);
    assert.equal(decision.at.getTime() - SENT.getTime(), 25_000);
  });

  it('holds an account for as long as Retry-After asks, where that is longer than the minute', () => {
    const at = (retryAfterMs?: number) => {
      const decision = decideNextAttempt(
        facts('minute_limit', { random: 0, ...(retryAfterMs ? { retryAfterMs } : {}) }),
      );
      assert.ok('at' in decision);
      return decision.at.getTime() - SENT.getTime();
    };
    assert.ok(at() <= 60_000);
    assert.equal(at(25 * 60_000), 25 * 60_000);
  });

  it('finds Beijing midnight around the change of the UTC day', () => {
    assert.equal(untilBeijingMidnightMs(new Date('2026-05-01T15:59:59Z')), 1_000);
    assert.equal(untilBeijingMidnightMs(new Date('2026-05-01T16:00:00Z')), 24 * HOUR_MS);
  });

  it('scales its waits', () => {
    const scale = (ms: number) => ms / 720;
    const decision = decideNextAttempt(facts('transient', { scale }));
    assert.ok('at' in decision);
    assert.ok(decision.at.getTime() - SENT.getTime() < 10);
  });
});
