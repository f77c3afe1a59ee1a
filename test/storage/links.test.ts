import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideWindow } from '../../src/storage/links.ts';

const now = new Date('2026-11-20T12:34:56Z');

test('a link is signed at the start of its window and is valid for at least half of its time to live', () => {
  for (const ttlMs of [60_000, 3_600_000, 86_400_000, 7 * 86_400_000]) {
    for (const offsetMs of [0, 1, ttlMs / 2 - 1, ttlMs / 2, ttlMs - 1]) {
      const at = new Date(now.getTime() + offsetMs);
      const { signedAt, expiresInSeconds } = decideWindow({ now: at, ttlMs });
      const leftMs = signedAt.getTime() + expiresInSeconds * 1000 - at.getTime();
      assert.ok(signedAt <= at);
      assert.ok(leftMs >= ttlMs / 2 && leftMs <= ttlMs, `${leftMs} of ${ttlMs}`);
    }
  }
  const inside = [1, 1_799_999].map((ms) =>
    decideWindow({ now: new Date(1_800_000 * 7 + ms), ttlMs: 3_600_000 }),
  );
  assert.deepEqual(inside[0], inside[1]);
  assert.equal(decideWindow({ now, ttlMs: 30 * 86_400_000 }).expiresInSeconds, 7 * 86_400);
});

test('an exact link is valid for the whole time that was asked for', () => {
  for (const ttlMs of [60_000, 3_600_000, 86_400_000, 7 * 86_400_000]) {
    const at = new Date(now.getTime() + 12_345_678);
    const { signedAt, expiresInSeconds } = decideWindow({ now: at, ttlMs, isExact: true });
    assert.equal(expiresInSeconds, ttlMs / 1000);
    assert.ok(at.getTime() - signedAt.getTime() < 1000, 'signed in this second');
  }
});
