import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWakeSignal } from '../../src/runtime/wake-signal.ts';

const never = new AbortController().signal;
const LONG_MS = 3_600_000;
const seen = (pause: Promise<void>) =>
  Promise.race([pause.then(() => 'ended'), new Promise((resolve) => setImmediate(resolve, 'lasts'))]);

test('a pause lasts as long as it was asked to where nobody rings', async () => {
  const startedAt = performance.now();
  await createWakeSignal().wait(30, never);
  assert.ok(performance.now() - startedAt >= 29);
});

test('a ring ends the pause', async () => {
  const bell = createWakeSignal();
  const pause = bell.wait(LONG_MS, never);
  assert.equal(await seen(pause), 'lasts');
  bell.notify();
  await pause;
});

test('a ring before a pause ends it at once, and every one until it is forgotten', async () => {
  const bell = createWakeSignal();
  bell.notify();
  await bell.wait(LONG_MS, never);
  await bell.wait(LONG_MS, never);
  bell.clear();
  const pause = bell.wait(LONG_MS, never);
  assert.equal(await seen(pause), 'lasts');
  bell.notify();
  await pause;
});

test('a pause ends when its signal aborts, and does not begin where it has', async () => {
  const bell = createWakeSignal();
  const controller = new AbortController();
  const pause = bell.wait(LONG_MS, controller.signal);
  assert.equal(await seen(pause), 'lasts');
  controller.abort();
  await pause;
  await bell.wait(LONG_MS, controller.signal);
});
