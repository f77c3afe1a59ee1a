import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endsWithin, keepStarting, within } from '../../src/queue/timeouts.ts';
import { eventually } from './handled.ts';

const never = () => new Promise<never>(() => {});

test('within gives the answer, the failure, the time limit or the abort, whichever comes first', async () => {
  assert.equal(await within('work', 1_000, async () => 7), 7);
  await assert.rejects(
    within('work', 1_000, async () => Promise.reject(new Error('broken'))),
    /^Error: broken$/,
  );
  await assert.rejects(within('work', 20, never), /^Error: work: no answer within 20 ms$/);
  const controller = new AbortController();
  const waiting = within('work', 10_000, never, controller.signal);
  controller.abort(new Error('closing'));
  await assert.rejects(waiting, /^Error: closing$/);
});

test('within does not begin what is aborted already', async () => {
  let begun = false;
  const begin = async () => {
    begun = true;
  };
  await assert.rejects(within('work', 1_000, begin, AbortSignal.abort(new Error('closing'))), /closing/);
  assert.equal(begun, false);
});

test('work that fails after it was given up disturbs nobody', async () => {
  const late = Promise.withResolvers<never>();
  await assert.rejects(
    within('work', 5, () => late.promise),
    /no answer/,
  );
  late.reject(new Error('late'));
  await new Promise(setImmediate);
});

test('endsWithin tells an end from a time limit', async () => {
  assert.equal(await endsWithin(1_000, Promise.resolve()), true);
  assert.equal(await endsWithin(1_000, Promise.reject(new Error('broken'))), true);
  assert.equal(await endsWithin(5, never()), false);
  assert.equal(await endsWithin(60_000, never(), AbortSignal.abort()), false);
});

test('what does not start is closed and built again until it starts', async (t) => {
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
