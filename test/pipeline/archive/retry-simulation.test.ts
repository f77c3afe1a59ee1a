/** The promises of the retry policy, tested with thousands of random histories; each seed plays the same again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import {
  CLOSING_MS,
  HOUR_MS,
  LIFE_MS,
  MINUTE_MS,
  type Outage,
  play,
  randomOutages,
  SECOND_MS,
} from './retry-history.ts';

const HISTORIES = 5_000;
/** Items are sent at all hours of the day: midnight in Beijing matters. */
const BEGIN_MS = Date.parse('2026-05-01T00:00:00Z');
/** Where every attempt fails and every random number is 0, as in docs/retries.md. */
const MAX_ATTEMPTS = 413;
/** No hold outlasts its cause by more: probes every 5 min with jitter, 10 min of jitter after midnight. */
const HOLD_SLACK_MS = 12 * MINUTE_MS;

const history = (seed: number, clearShare: number) => {
  const random = createRandom(seed);
  const sentAtMs = BEGIN_MS + random() * 24 * HOUR_MS;
  const expiresAtMs = sentAtMs + LIFE_MS;
  const outages = randomOutages(sentAtMs, expiresAtMs - clearShare * LIFE_MS, random);
  return { sentAtMs, expiresAtMs, outages, played: play(sentAtMs, outages, random) };
};

/** The times that no outage covers. */
function clearTimes(outages: readonly Outage[], fromMs: number, toMs: number) {
  const clear: { fromMs: number; toMs: number }[] = [];
  let atMs = fromMs;
  for (const outage of outages) {
    if (outage.fromMs > atMs) clear.push({ fromMs: atMs, toMs: Math.min(outage.fromMs, toMs) });
    atMs = Math.max(atMs, outage.toMs);
  }
  if (atMs < toMs) clear.push({ fromMs: atMs, toMs });
  return clear;
}

describe('retry policy, simulated', () => {
  it('archives every item that WeChat serves during the last tenth of its time', () => {
    let interrupted = 0;
    for (let seed = 0; seed < HISTORIES; seed++) {
      const { played, expiresAtMs, outages } = history(seed, 1 / 10);
      assert.equal(played.end, 'archived', `seed ${seed}: ${JSON.stringify({ outages, played })}`);
      assert.ok(played.endedAtMs < expiresAtMs, `seed ${seed}`);
      if (played.attemptsAtMs.length > 1) interrupted++;
    }
    assert.ok(interrupted > HISTORIES / 2, 'histories without an outage prove nothing');
  });

  it('archives every item that WeChat serves for an eighth of the time then left, and until the end of a hold', () => {
    let given = 0;
    for (let seed = 0; seed < HISTORIES; seed++) {
      const { played, sentAtMs, expiresAtMs, outages } = history(seed, 0);
      const enough = clearTimes(outages, sentAtMs, expiresAtMs).some(
        ({ fromMs, toMs }) =>
          toMs - fromMs > Math.max(30 * SECOND_MS, (expiresAtMs - fromMs) / 8) + HOLD_SLACK_MS,
      );
      if (enough)
        assert.equal(played.end, 'archived', `seed ${seed}: ${JSON.stringify({ outages, played })}`);
      else given++;
    }
    assert.ok(given < HISTORIES / 2, `${given} histories had no such time`);
  });

  it('does not wait for the whole last hour where Retry-After asks for an hour', () => {
    const toMs = BEGIN_MS + LIFE_MS - 45 * MINUTE_MS;
    for (let seed = 0; seed < 500; seed++) {
      const busy: Outage = { fromMs: 0, toMs, kind: 'busy', retryAfterMs: HOUR_MS };
      assert.equal(play(BEGIN_MS, [busy], createRandom(seed)).end, 'archived', `seed ${seed}`);
    }
  });

  it('bounds the number of attempts, whatever the outages and the random numbers', () => {
    const always = (kind: Outage['kind']): Outage[] => [
      { fromMs: 0, toMs: Number.POSITIVE_INFINITY, kind, retryAfterMs: 0 },
    ];
    assert.equal(play(BEGIN_MS, always('network'), () => 0).attemptsAtMs.length, MAX_ATTEMPTS);
    let most = 0;
    for (let seed = 0; seed < HISTORIES; seed++) {
      const { played } = history(seed, 0);
      const failing = seed < 500 ? play(BEGIN_MS, always('network'), createRandom(seed)) : played;
      most = Math.max(most, played.attemptsAtMs.length, failing.attemptsAtMs.length);
    }
    assert.ok(most < 200, `${most} attempts: twice the usual`);
    for (const kind of ['minute', 'day', 'account'] as const) {
      assert.equal(
        play(BEGIN_MS, always(kind), createRandom(1)).attemptsAtMs.length,
        0,
        `${kind} counts none`,
      );
    }
  });

  it('ends the planned attempts at expiresAt, with one more before closesAt', () => {
    for (let seed = 0; seed < 1_000; seed++) {
      const outage = { fromMs: 0, toMs: Number.POSITIVE_INFINITY, retryAfterMs: 0 };
      const { attemptsAtMs, end } = play(BEGIN_MS, [{ ...outage, kind: 'busy' }], createRandom(seed));
      const late = attemptsAtMs.filter((at) => at >= BEGIN_MS + LIFE_MS);
      assert.equal(late.length, 1, `seed ${seed}`);
      assert.ok(late[0]! < BEGIN_MS + LIFE_MS + CLOSING_MS);
      assert.equal(end, 'closed');
    }
  });

  for (const [what, sentAtMs] of [
    ['sent evenly during it', (share: number) => share * 24 * HOUR_MS],
    ['all sent in its first minute', (share: number) => share * MINUTE_MS],
  ] as const) {
    it(`flattens the load after an outage of a day, of items ${what}`, () => {
      const ITEMS = 5_000;
      const outage: Outage = { fromMs: 0, toMs: 24 * HOUR_MS, kind: 'network', retryAfterMs: 0 };
      const perMinute = new Map<number, number>();
      const delays: number[] = [];
      for (let n = 0; n < ITEMS; n++) {
        const { end, endedAtMs } = play(sentAtMs(n / ITEMS), [outage], createRandom(n));
        assert.equal(end, 'archived');
        const afterMs = endedAtMs - outage.toMs;
        delays.push(afterMs);
        const minute = Math.floor(afterMs / MINUTE_MS);
        perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
      }
      delays.sort((a, b) => a - b);
      const ninety = delays[Math.floor(ITEMS * 0.9)]! / MINUTE_MS;
      const peak = Math.max(...perMinute.values());
      const mean = (ITEMS * 0.9) / ninety;
      assert.ok(peak / mean < 6, `peak ${peak} a minute, mean ${mean}`);
      assert.ok(delays.at(-1)! <= LIFE_MS / 8, 'no item waits longer than an eighth of its time');
    });
  }
});
