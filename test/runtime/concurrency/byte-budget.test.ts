import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createByteBudget, type Reservation } from '../../../src/runtime/concurrency/byte-budget.ts';

const { signal } = new AbortController();
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Reserves, and records the order of grants. */
function setup(totalBytes: number) {
  const budget = createByteBudget(totalBytes);
  const granted = new Map<string, Reservation>();
  const ask = (name: string, bytes: number, until = signal) =>
    budget.reserve(bytes, until).then((reservation) => granted.set(name, reservation));
  return { budget, granted, ask, names: () => [...granted.keys()] };
}

test('a reservation that fits is granted at once, others wait in order', async () => {
  const { budget, granted, ask, names } = setup(10);
  const all = [ask('a', 6), ask('b', 4), ask('c', 5), ask('d', 1)];
  await turn();
  assert.deepEqual(names(), ['a', 'b']);
  assert.deepEqual([budget.freeBytes, budget.waiting], [0, 2]);
  granted.get('a')?.release();
  await Promise.all(all);
  assert.deepEqual(names(), ['a', 'b', 'c', 'd']);
  assert.equal(budget.freeBytes, 0);
});

test('a small reservation does not overtake a large one', async () => {
  const { granted, ask, names } = setup(10);
  const all = [ask('a', 6), ask('large', 8), ask('small', 1)];
  await turn();
  assert.deepEqual(names(), ['a']);
  granted.get('a')?.release();
  await Promise.all(all);
  assert.deepEqual(names(), ['a', 'large', 'small']);
});

test('shrinking gives back and never grows, and release gives back the rest once', async () => {
  const { budget, granted, ask } = setup(10);
  await ask('a', 8);
  const a = granted.get('a')!;
  a.shrink(3);
  assert.deepEqual([a.bytes, budget.freeBytes], [3, 7]);
  a.shrink(9);
  assert.deepEqual([a.bytes, budget.freeBytes], [3, 7]);
  a.release();
  a.release();
  a.shrink(-1);
  assert.deepEqual([a.bytes, budget.freeBytes], [0, 10]);
});

test('shrinking grants the next reservation', async () => {
  const { granted, ask, names } = setup(10);
  await ask('a', 10);
  const b = ask('b', 4);
  granted.get('a')?.shrink(6);
  await b;
  assert.deepEqual(names(), ['a', 'b']);
});

test('a reservation larger than the budget is cut to it and runs alone', async () => {
  const { budget, granted, ask, names } = setup(10);
  await ask('a', 1);
  const large = ask('large', 1_000);
  await turn();
  assert.deepEqual(names(), ['a']);
  granted.get('a')?.release();
  await large;
  assert.equal(granted.get('large')?.bytes, 10);
  assert.equal(budget.freeBytes, 0);
});

test('an aborted reservation leaves the queue, and those behind it move up', async () => {
  const { budget, ask, names } = setup(10);
  const controller = new AbortController();
  await ask('a', 6);
  const large = ask('large', 8, controller.signal);
  const small = ask('small', 4);
  await turn();
  assert.deepEqual(names(), ['a']);
  controller.abort(new Error('lock lost'));
  await assert.rejects(large, /lock lost/);
  await small;
  assert.deepEqual([names(), budget.waiting, budget.freeBytes], [['a', 'small'], 0, 0]);
});

test('a reservation whose signal has aborted before gets nothing', async () => {
  const { budget, ask } = setup(10);
  await assert.rejects(ask('a', 1, AbortSignal.abort(new Error('closing'))), /closing/);
  assert.equal(budget.freeBytes, 10);
});
