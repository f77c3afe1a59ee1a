import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settledWithin, TimeoutError, untilAborted, withTimeout } from '../../src/runtime/timeout.ts';

const never = () => new Promise<never>(() => undefined);
const HOUR_MS = 3_600_000;

test('a bounded wait resolves with what the work returns, and rejects with its error', async () => {
  assert.equal(await withTimeout(Promise.resolve(7), HOUR_MS, 'seven'), 7);
  assert.equal(await withTimeout(async () => 7, HOUR_MS, 'seven'), 7);
  await assert.rejects(withTimeout(Promise.reject(new Error('broken')), HOUR_MS, 'it'), /broken/);
  const synchronous = () => {
    throw new Error('at once');
  };
  await assert.rejects(withTimeout(synchronous, HOUR_MS, 'it'), /at once/);
});

test('a bounded wait rejects with a TimeoutError that names the work', async () => {
  await assert.rejects(withTimeout(never(), 5, 'redis: PING'), (error: Error) => {
    assert.ok(error instanceof TimeoutError);
    assert.equal(error.message, 'redis: PING: no response within 5 ms');
    return true;
  });
});

test('a bounded wait ends with its signal, before and during the work', async () => {
  const end = new AbortController();
  const waiting = withTimeout(never(), HOUR_MS, 'it', end.signal);
  end.abort(new Error('stopped'));
  await assert.rejects(waiting, /stopped/);
  let isStarted = false;
  const work = async () => {
    isStarted = true;
  };
  await assert.rejects(withTimeout(work, HOUR_MS, 'it', end.signal), /stopped/);
  assert.equal(isStarted, false);
});

test('work that rejects after its timeout is no unhandled rejection', async () => {
  const late = Promise.withResolvers<never>();
  await assert.rejects(withTimeout(late.promise, 1, 'it'), TimeoutError);
  late.reject(new Error('too late'));
  await new Promise(setImmediate);
});

test('whether work settles in time is true for an error too, and false for a timeout or an abort', async () => {
  assert.equal(await settledWithin(Promise.resolve(), HOUR_MS), true);
  assert.equal(await settledWithin(Promise.reject(new Error('broken')), HOUR_MS), true);
  assert.equal(await settledWithin(never(), 1), false);
  assert.equal(await settledWithin(never(), HOUR_MS, AbortSignal.abort()), false);
});

test('a wait without a bound of its own ends with its signal', async () => {
  const end = new AbortController();
  assert.equal(await untilAborted(Promise.resolve(7), end.signal), 7);
  const waiting = untilAborted(never(), end.signal);
  end.abort(new Error('stopped'));
  await assert.rejects(waiting, /stopped/);
});

test('work that rejects after the signal had aborted is no unhandled rejection', async () => {
  const late = Promise.withResolvers<never>();
  const stopped = AbortSignal.abort(new Error('stopped'));
  await assert.rejects(untilAborted(late.promise, stopped), /stopped/);
  await assert.rejects(withTimeout(late.promise, HOUR_MS, 'it', stopped), /stopped/);
  late.reject(new Error('too late'));
  await new Promise(setImmediate);
});
