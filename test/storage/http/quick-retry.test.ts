import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../src/failures.ts';
import { decideRetryDelayMs } from '../../../src/storage/http/quick-retry.ts';

test('only temporary failures are retried, at most twice, and never after more than two seconds', () => {
  const passing = failure('store_unavailable');
  assert.equal(
    decideRetryDelayMs(passing, 1, () => 0.5),
    50,
  );
  assert.equal(
    decideRetryDelayMs(passing, 2, () => 0.5),
    100,
  );
  assert.equal(
    decideRetryDelayMs(passing, 3, () => 0.5),
    undefined,
  );
  assert.equal(
    decideRetryDelayMs(failure('store_unavailable', '', { retryAfterMs: 1_000 }), 1, () => 0),
    1_000,
  );
  assert.equal(
    decideRetryDelayMs(failure('store_unavailable', '', { retryAfterMs: 9_000 }), 1, () => 0),
    undefined,
  );
  assert.equal(
    decideRetryDelayMs(failure('store_refused'), 1, () => 0),
    undefined,
  );
  assert.equal(
    decideRetryDelayMs(new Error('x'), 1, () => 0),
    undefined,
  );
});
