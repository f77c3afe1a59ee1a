import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Failure } from '../../../src/failures.ts';
import {
  decideSyncDelayMs,
  isAccountWide,
  isCursorSuspect,
} from '../../../src/pipeline/ingest/kf-sync-policy.ts';

const of = (failureClass: Failure['class'], code = 'x'): Failure => ({ code, class: failureClass });
const MINUTE_MS = 60_000;
const FAILURE_CLASSES = [
  'token',
  'transient',
  'minute_limit',
  'day_quota',
  'permanent_media',
  'account',
  'store',
  'unknown',
] as const satisfies readonly Failure['class'][];

test('a transient failure is retried five times within the ten minutes of the callback’s token', () => {
  let passedMs = 0;
  let attempts = 0;
  while (passedMs < 10 * MINUTE_MS) passedMs += decideSyncDelayMs(of('transient'), ++attempts, 1);
  assert.ok(attempts > 5, `${attempts} attempts`);
});

test('the delay after a limit is a minute, and doubles each time up to an hour', () => {
  const waits = Array.from(
    { length: 9 },
    (_, index) => decideSyncDelayMs(of('minute_limit'), index + 1, 0) / MINUTE_MS,
  );
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

test('an account that is refused is retried every five minutes, and no delay is longer than 75 minutes', () => {
  for (const failures of [1, 2, 50])
    assert.equal(decideSyncDelayMs(of('account'), failures, 0), 5 * MINUTE_MS);
  for (const failureClass of FAILURE_CLASSES) {
    for (const failures of [1, 2, 10, 1_000_000]) {
      const waitMs = decideSyncDelayMs(of(failureClass), failures, 1);
      assert.ok(waitMs >= 1_000 && waitMs <= 75 * MINUTE_MS, `${failureClass} ${failures}: ${waitMs}`);
    }
  }
  const unknown = of('account', 'customer_service_account_unknown');
  assert.equal(decideSyncDelayMs(unknown, 1, 0), 60 * MINUTE_MS);
});

test('limits and refusals concern the account, an unknown customer-service account does not', () => {
  const classes = FAILURE_CLASSES.filter((one) => isAccountWide(of(one)));
  assert.deepEqual([...classes].sort(), ['account', 'day_quota', 'minute_limit']);
  assert.equal(isAccountWide(of('account', 'customer_service_account_unknown')), false);
});

test('a cursor is suspect only after three failures of an unknown class', () => {
  assert.equal(isCursorSuspect(of('unknown'), 2), false);
  assert.equal(isCursorSuspect(of('unknown'), 3), true);
  assert.equal(isCursorSuspect(of('permanent_media'), 3), true);
  for (const failureClass of ['transient', 'account', 'minute_limit', 'token'] as const)
    assert.equal(isCursorSuspect(of(failureClass), 100), false, failureClass);
  assert.equal(isCursorSuspect(undefined, 3), false);
});
