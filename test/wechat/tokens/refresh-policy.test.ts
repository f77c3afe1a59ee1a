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
const decide = (situation: Partial<Parameters<typeof decideOnRefusedToken>[0]>) =>
  decideOnRefusedToken({
    usedFingerprint: 'a',
    stored: { fingerprint: 'a', issuedAt: ago(60_000) },
    unhelpfulReplacements: 0,
    now: NOW,
    pauseMs: REQUEST_PAUSE_MS,
    ...situation,
  });

test('a token that another process has replaced is not requested again', () => {
  assert.deepEqual(decide({ stored: { fingerprint: 'b', issuedAt: ago(0) } }), { do: 'use_stored' });
  assert.deepEqual(decide({ stored: { fingerprint: 'b', issuedAt: ago(0) }, unhelpfulReplacements: 9 }), {
    do: 'use_stored',
  });
});

test('a refused token is requested again, even a new one, but once per pause for all processes', () => {
  assert.deepEqual(decide({}), { do: 'request' });
  assert.deepEqual(decide({ stored: { fingerprint: 'a', issuedAt: ago(5_000) } }), { do: 'request' });
  assert.deepEqual(decide({ stored: { fingerprint: 'a', issuedAt: ago(4_000) } }), { do: 'wait', ms: 1_000 });
  assert.deepEqual(decide({ stored: undefined }), { do: 'request' });
});

test('a clock that is ahead does not make the wait longer than the pause', () => {
  assert.deepEqual(decide({ stored: { fingerprint: 'a', issuedAt: ago(-3_600_000) } }), {
    do: 'wait',
    ms: 5_000,
  });
});

test('three replacements that did not help are a conflict', () => {
  assert.deepEqual(decide({ unhelpfulReplacements: 2 }), { do: 'request' });
  assert.deepEqual(decide({ unhelpfulReplacements: 3 }), { do: 'conflict' });
});

test('a token is renewed five minutes before it expires, and a short-lived one after half its life', () => {
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
