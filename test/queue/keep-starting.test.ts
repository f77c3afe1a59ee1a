import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepStarting } from '../../src/queue/keep-starting.ts';
import { eventually } from './handled.ts';

test('a queue that does not start is closed and built again until one starts', async (t) => {
  const closed: number[] = [];
  const reported: unknown[] = [];
  let built = 0;
  const keeper = keepStarting(
    () => {
      const number = ++built;
      return {
        number,
        waitUntilReady: async () => {
          if (number < 3) throw new Error(`not ${number}`);
        },
        close: async () => {
          closed.push(number);
        },
      };
    },
    (error) => reported.push(String(error)),
  );
  t.after(keeper.stop);
  await eventually('the third is there', async () => keeper.current.number === 3);
  assert.deepEqual(closed, [1, 2]);
  assert.deepEqual(reported, ['Error: not 1', 'Error: not 2']);
});
