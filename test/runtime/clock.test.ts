import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLifetimes, systemClock } from '../../src/runtime/clock.ts';

const HOUR_MS = 3_600_000;

test('a sleep lasts as long as asked', async () => {
  const startedAt = performance.now();
  await systemClock.sleep(30);
  assert.ok(performance.now() - startedAt >= 29);
});

test('a sleep ends at once with the reason of its signal', async () => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(60_000, controller.signal);
  const reason = new Error('closing');
  controller.abort(reason);
  await assert.rejects(sleeping, (error) => error === reason);
});

test('a sleep with a signal aborted before does not begin', async () => {
  const reason = new Error('closed');
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), (error) => error === reason);
});

test('now is the time of the machine', () => {
  const before = Date.now();
  const now = systemClock.now().getTime();
  assert.ok(before <= now && now <= Date.now());
});

test('in real time a media item lives three days and closes two hours later', () => {
  const lifetimes = createLifetimes({ mediaLifetimeMs: 72 * HOUR_MS, timeScale: 1 });
  assert.equal(lifetimes.lifetimeMs, 259_200_000);
  assert.equal(lifetimes.closingMs, 7_200_000);
  assert.equal(lifetimes.scale(1000), 1000);
});

test('at a time scale of 720 three days take six minutes, and other policy durations shrink alike', () => {
  const lifetimes = createLifetimes({ mediaLifetimeMs: 72 * HOUR_MS, timeScale: 720 });
  assert.equal(lifetimes.lifetimeMs, 360_000);
  assert.equal(lifetimes.closingMs, 10_000);
  assert.equal(lifetimes.scale(72_000), 100);
});
