import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decideOnRefusedToken,
  isFresh,
  MARGIN_MS,
  REQUEST_PAUSE_MS,
} from '../../../src/wechat/tokens/refresh-policy.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const decide = (given: Partial<Parameters<typeof decideOnRefusedToken>[0]>) =>
  decideOnRefusedToken({
    usedFingerprint: 'a',
    stored: { fingerprint: 'a', issuedAt: ago(60_000) },
    unhelpful: 0,
    now: NOW,
    pauseMs: REQUEST_PAUSE_MS,
    ...given,
  });

test('a token that somebody has replaced meanwhile is not asked for again', () => {
  assert.deepEqual(decide({ stored: { fingerprint: 'b', issuedAt: ago(0) } }), { do: 'use_shared' });
  assert.deepEqual(decide({ stored: { fingerprint: 'b', issuedAt: ago(0) }, unhelpful: 9 }), {
    do: 'use_shared',
  });
});

test('a refused token is asked for again, even a young one, but once per pause for all', () => {
  assert.deepEqual(decide({}), { do: 'ask_again' });
  assert.deepEqual(decide({ stored: { fingerprint: 'a', issuedAt: ago(5_000) } }), { do: 'ask_again' });
  assert.deepEqual(decide({ stored: { fingerprint: 'a', issuedAt: ago(4_000) } }), { do: 'wait', ms: 1_000 });
  assert.deepEqual(decide({ stored: undefined }), { do: 'ask_again' });
});

test('a clock ahead of ours makes the wait no longer than the pause', () => {
  assert.deepEqual(decide({ stored: { fingerprint: 'a', issuedAt: ago(-3_600_000) } }), {
    do: 'wait',
    ms: 5_000,
  });
});

test('three replacements that did not help are a conflict', () => {
  assert.deepEqual(decide({ unhelpful: 2 }), { do: 'ask_again' });
  assert.deepEqual(decide({ unhelpful: 3 }), { do: 'conflict' });
});

test('a token is renewed five minutes ahead; one of a brief life in the middle of it', () => {
  const token = (leftMs: number, lifeMs: number) => ({
    issuedAt: ago(lifeMs - leftMs),
    expiresAt: new Date(NOW.getTime() + leftMs),
  });
  const fresh = (leftMs: number, lifeMs = 7_200_000) => isFresh(token(leftMs, lifeMs), NOW, MARGIN_MS);
  assert.equal(fresh(301_000), true);
  assert.equal(fresh(299_000), false);
  assert.equal(fresh(600, 1_000), true);
  assert.equal(fresh(400, 1_000), false);
  assert.equal(fresh(0), false);
});
