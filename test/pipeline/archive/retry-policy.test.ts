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

const situation = (failureClass: FailureClass, more: Partial<RetryFacts> = {}): RetryFacts => ({
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

/** A media that fails every time: the times of its tries, until it is closed. */
function playOutage(failureClass: FailureClass, seed: number): { triedAt: number[]; end: string } {
  const random = randoms(seed);
  const triedAt = [SENT.getTime()];
  for (let tries = 1; tries < 10_000; tries++) {
    const now = new Date(triedAt.at(-1)!);
    const decision = decideNextAttempt(
      situation(failureClass, { attempts: tries, now, random: random.next().value }),
    );
    if (decision.next === 'dead' || decision.next === 'expired') return { triedAt, end: decision.next };
    // The sweeper closes what waits beyond closesAt.
    if (decision.at > CLOSES) return { triedAt, end: 'closed' };
    triedAt.push(decision.at.getTime());
  }
  return { triedAt, end: 'never' };
}

describe('retry policy', () => {
  it('tries three times within 30 seconds whatever the dice say', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const { triedAt } = playOutage('transient', seed);
      assert.ok(triedAt[2]! - triedAt[0]! <= 30_000, `seed ${seed}`);
    }
  });

  it('goes on to the deadline, with one last try before the row closes, and then ends', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const { triedAt, end } = playOutage('store', seed);
      assert.equal(end, 'closed');
      const late = triedAt.filter((at) => at >= EXPIRES.getTime());
      assert.equal(late.length, 1, `seed ${seed}`);
      assert.ok(late[0]! < CLOSES.getTime());
    }
  });

  it('makes that last try also where the one before it began in time and ended late', () => {
    const inMs = (at: Date, ms: number) => new Date(at.getTime() + ms);
    for (const random of [0, 0.5, 0.999]) {
      for (const lateMs of [0, 30_000, HOUR_MS]) {
        const now = inMs(EXPIRES, lateMs);
        const straddling = { attempts: 9, startedAt: inMs(EXPIRES, -1), now, random };
        const decision = decideNextAttempt(situation('transient', straddling));
        assert.ok(
          'at' in decision && decision.at > now && decision.at < CLOSES,
          `${random}, ${lateMs} ms late`,
        );
      }
      const late = decideNextAttempt(
        situation('transient', { attempts: 10, startedAt: EXPIRES, now: EXPIRES, random }),
      );
      assert.ok('at' in late && late.at > CLOSES, 'and no other after it');
    }
  });

  it('never waits longer than an eighth of the life left, and bounds the tries of a life', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const { triedAt } = playOutage('transient', seed);
      for (const [place, at] of triedAt.slice(0, -1).entries()) {
        const left = EXPIRES.getTime() - at;
        const waited = triedAt[place + 1]! - at;
        if (left > 10 * 60_000) assert.ok(waited <= Math.max(left / 8, 30_000), `seed ${seed} try ${place}`);
      }
      assert.ok(triedAt.length < 400, `${triedAt.length} tries`);
    }
  });

  it('calls 40007 a wrong id before the deadline and an expired one after it', () => {
    const gone = { failure: { code: 'invalid_media_id', class: 'permanent_media', errcode: 40007 } } as const;
    assert.equal(decideNextAttempt(situation('permanent_media', gone)).next, 'dead');
    assert.equal(decideNextAttempt(situation('permanent_media', { ...gone, now: EXPIRES })).next, 'expired');
    const other = { failure: { code: 'too_large', class: 'permanent_media' }, now: EXPIRES } as const;
    assert.equal(decideNextAttempt(situation('permanent_media', other)).next, 'dead');
  });

  it('gives an unknown errcode three tries', () => {
    assert.equal(decideNextAttempt(situation('unknown', { attempts: 2 })).next, 'retry');
    assert.equal(decideNextAttempt(situation('unknown', { attempts: 3 })).next, 'dead');
  });

  it('holds the account for quotas and faults of the account, and spends no try', () => {
    for (const failureClass of ['minute_limit', 'day_quota', 'account'] as const) {
      const decision = decideNextAttempt(situation(failureClass));
      assert.equal(decision.next, 'holdAccount');
      assert.equal(decision.spent, false);
    }
    const quota = decideNextAttempt(situation('day_quota', { random: 0 }));
    assert.ok('at' in quota);
    assert.equal(quota.at.toISOString(), '2026-05-01T16:00:00.000Z', 'Beijing midnight');
  });

  it('comes back no sooner than the far end asked', () => {
    const decision = decideNextAttempt(situation('transient', { retryAfterMs: 25_000 }));
    assert.ok('at' in decision);
    assert.equal(decision.at.getTime() - SENT.getTime(), 25_000);
  });

  it('holds an account for as long as the far end asked of it, where that is longer than the minute', () => {
    const at = (retryAfterMs?: number) => {
      const decision = decideNextAttempt(
        situation('minute_limit', { random: 0, ...(retryAfterMs ? { retryAfterMs } : {}) }),
      );
      assert.ok('at' in decision);
      return decision.at.getTime() - SENT.getTime();
    };
    assert.ok(at() <= 60_000);
    assert.equal(at(25 * 60_000), 25 * 60_000);
  });

  it('knows Beijing midnight around the change of the UTC day', () => {
    assert.equal(untilBeijingMidnightMs(new Date('2026-05-01T15:59:59Z')), 1_000);
    assert.equal(untilBeijingMidnightMs(new Date('2026-05-01T16:00:00Z')), 24 * HOUR_MS);
  });

  it('plays in scaled time', () => {
    const scale = (ms: number) => ms / 720;
    const decision = decideNextAttempt(situation('transient', { scale }));
    assert.ok('at' in decision);
    assert.ok(decision.at.getTime() - SENT.getTime() < 10);
  });
});
