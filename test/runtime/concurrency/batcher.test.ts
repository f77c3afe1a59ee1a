import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createBatcher } from '../../../src/runtime/concurrency/batcher.ts';

/** A batcher whose statements end when the test ends them. */
function setup(
  options: {
    maxSize?: number;
    overlapAfterMs?: number;
    fail?: (items: readonly string[]) => Error | undefined;
  } = {},
) {
  const batches: string[][] = [];
  const ends: (() => void)[] = [];
  const batcher = createBatcher<string, string>({
    maxSize: options.maxSize ?? 10,
    sizeOf: (item) => item.length,
    idOf: (item) => item,
    isShared: (error) => error instanceof RangeError,
    ...(options.overlapAfterMs === undefined ? {} : { overlapAfterMs: options.overlapAfterMs }),
    write: async (items) => {
      batches.push([...items]);
      const error = options.fail?.(items);
      if (error) throw error;
      await new Promise<void>((resolve) => ends.push(resolve));
      return items.map((item) => item.toUpperCase());
    },
  });
  const begun = async (count: number) => {
    while (batches.length < count) await new Promise(setImmediate);
  };
  return { batcher, batches, ends, begun };
}

describe('a batcher', () => {
  test('writes together what is added in one turn, and each caller gets its own result', async () => {
    const { batcher, batches, ends, begun } = setup();
    const results = Promise.all([batcher.add('a'), batcher.add('b')]);
    await begun(1);
    ends[0]?.();
    assert.deepEqual(await results, ['A', 'B']);
    assert.deepEqual(batches, [['a', 'b']]);
  });

  test('gathers what is added while a statement runs', async () => {
    const { batcher, batches, ends, begun } = setup();
    const first = batcher.add('a');
    await begun(1);
    const others = [batcher.add('b'), batcher.add('c')];
    assert.equal(batcher.waitingSize, 2);
    ends[0]?.();
    await first;
    await begun(2);
    ends[1]?.();
    await Promise.all(others);
    assert.deepEqual(batches, [['a'], ['b', 'c']]);
    assert.equal(batcher.waitingSize, 0);
  });

  test('fills a batch up to its size, and gives a larger item a batch of its own', async () => {
    const { batcher, batches, ends, begun } = setup({ maxSize: 4 });
    const all = Promise.all(['aaa', 'b', 'cc', 'dddddd', 'e'].map((item) => batcher.add(item)));
    for (let batch = 1; batch <= 4; batch++) {
      await begun(batch);
      ends[batch - 1]?.();
    }
    await all;
    assert.deepEqual(batches, [['aaa', 'b'], ['cc'], ['dddddd'], ['e']]);
  });

  test('never puts two items of one id into one batch', async () => {
    const { batcher, batches, ends, begun } = setup();
    const all = Promise.all([batcher.add('a'), batcher.add('a'), batcher.add('b')]);
    await begun(1);
    ends[0]?.();
    await begun(2);
    ends[1]?.();
    await all;
    assert.deepEqual(batches, [['a', 'b'], ['a']]);
  });

  test('writes each item alone after an error, so that one fails none of its neighbours', async () => {
    const fail = (items: readonly string[]) => (items.includes('bad') ? new Error('bad') : undefined);
    const { batcher, ends, begun } = setup({ fail });
    const all = Promise.allSettled([batcher.add('a'), batcher.add('bad'), batcher.add('b')]);
    await begun(2);
    ends[0]?.();
    await begun(4);
    ends[1]?.();
    assert.deepEqual(
      (await all).map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  });

  test('fails all items of a batch alike after an error that concerns them all', async () => {
    const { batcher, batches } = setup({ fail: () => new RangeError('the database is away') });
    const all = await Promise.allSettled([batcher.add('a'), batcher.add('b')]);
    assert.deepEqual(
      all.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(batches.length, 1);
  });

  test('does not let a batch wait for a statement that waits for a lock', async () => {
    const { batcher, ends, begun } = setup({ overlapAfterMs: 5 });
    const stuck = batcher.add('a');
    await begun(1);
    const next = batcher.add('b');
    await begun(2);
    ends[1]?.();
    assert.equal(await next, 'B');
    ends[0]?.();
    assert.equal(await stuck, 'A');
  });
});
