import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWakeSignal } from '../../src/runtime/wake-signal.ts';

const never = new AbortController().signal;
const LONG_MS = 3_600_000;
const seen = (waiting: Promise<void>) =>
  Promise.race([waiting.then(() => 'ended'), new Promise((resolve) => setImmediate(resolve, 'lasts'))]);

test('a wait lasts as long as asked without a notification', async () => {
  const startedAt = performance.now();
  await createWakeSignal().wait(30, never);
  assert.ok(performance.now() - startedAt >= 29);
});

test('a notification ends the wait', async () => {
  const wakeSignal = createWakeSignal();
  const waiting = wakeSignal.wait(LONG_MS, never);
  assert.equal(await seen(waiting), 'lasts');
  wakeSignal.notify();
  await waiting;
});

test('a notification before a wait ends it at once, and every later one until it is cleared', async () => {
  const wakeSignal = createWakeSignal();
  wakeSignal.notify();
  await wakeSignal.wait(LONG_MS, never);
  await wakeSignal.wait(LONG_MS, never);
  wakeSignal.clear();
  const waiting = wakeSignal.wait(LONG_MS, never);
  assert.equal(await seen(waiting), 'lasts');
  wakeSignal.notify();
  await waiting;
});

test('a wait ends when its signal aborts, and does not begin after that', async () => {
  const wakeSignal = createWakeSignal();
  const controller = new AbortController();
  const waiting = wakeSignal.wait(LONG_MS, controller.signal);
  assert.equal(await seen(waiting), 'lasts');
  controller.abort();
  await waiting;
  await wakeSignal.wait(LONG_MS, controller.signal);
});
