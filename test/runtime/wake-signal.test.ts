import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBell } from '../../src/runtime/wake-signal.ts';

const never = new AbortController().signal;
const LONG_MS = 3_600_000;
const seen = (pause: Promise<void>) =>
  Promise.race([pause.then(() => 'ended'), new Promise((resolve) => setImmediate(resolve, 'lasts'))]);

test('a pause lasts as long as it was asked to where nobody rings', async () => {
  const startedAt = performance.now();
  await createBell().pause(30, never);
  assert.ok(performance.now() - startedAt >= 29);
});

test('a ring ends the pause', async () => {
  const bell = createBell();
  const pause = bell.pause(LONG_MS, never);
  assert.equal(await seen(pause), 'lasts');
  bell.ring();
  await pause;
});

test('a ring before a pause ends it at once, and every one until it is forgotten', async () => {
  const bell = createBell();
  bell.ring();
  await bell.pause(LONG_MS, never);
  await bell.pause(LONG_MS, never);
  bell.forget();
  const pause = bell.pause(LONG_MS, never);
  assert.equal(await seen(pause), 'lasts');
  bell.ring();
  await pause;
});

test('a pause ends when its signal aborts, and does not begin where it has', async () => {
  const bell = createBell();
  const controller = new AbortController();
  const pause = bell.pause(LONG_MS, controller.signal);
  assert.equal(await seen(pause), 'lasts');
  controller.abort();
  await pause;
  await bell.pause(LONG_MS, controller.signal);
});
