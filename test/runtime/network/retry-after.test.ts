import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRetryAfterMs } from '../../../src/runtime/network/retry-after.ts';

const NOW = new Date('2026-01-01T00:00:00Z');

for (const [header, ms] of [
  ['0', 0],
  ['5', 5_000],
  [' 120 ', 120_000],
  ['999999', 3_600_000],
  ['99999999999999999999', 3_600_000],
  ['Thu, 01 Jan 2026 00:00:07 GMT', 7_000],
  ['Thursday, 01-Jan-26 00:00:07 GMT', 7_000],
  ['Thu, 01 Jan 2026 09:00:00 GMT', 3_600_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['2026', 2_026_000],
  [undefined, undefined],
] as const) {
  test(`Retry-After ${JSON.stringify(header)} means ${ms} ms`, () =>
    assert.equal(parseRetryAfterMs(header, NOW), ms));
}
