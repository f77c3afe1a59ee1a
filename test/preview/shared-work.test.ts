/** Work that is done once for all who ask for it at the same time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSharedWork } from '../../src/preview/shared-work.ts';

const NEVER = new AbortController().signal;

test('callers of one key share the work and its result; the next one after it begins anew', async () => {
  const shared = createSharedWork<number>();
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const work = async () => {
    runs++;
    await gate.promise;
    return runs;
  };
  const both = [shared.join('a', work, NEVER), shared.join('a', work, NEVER)];
  const other = shared.join('b', async () => 99, NEVER);
  gate.resolve();
  assert.deepEqual(await Promise.all([...both, other]), [1, 1, 99]);
  assert.equal(await shared.join('a', work, NEVER), 2);
});

test('callers share an error too', async () => {
  const shared = createSharedWork<number>();
  const work = async () => {
    throw new Error('no preview');
  };
  const both = [shared.join('a', work, NEVER), shared.join('a', work, NEVER)];
  for (const one of both) await assert.rejects(one, /no preview/);
});

test('the work is given up when all callers have gone, and not before', async () => {
  const shared = createSharedWork<number>();
  const begun = Promise.withResolvers<AbortSignal>();
  const work = (signal: AbortSignal) => {
    begun.resolve(signal);
    return new Promise<number>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  const [first, second] = [new AbortController(), new AbortController()];
  const both = [shared.join('a', work, first.signal), shared.join('a', work, second.signal)];
  const signal = await begun.promise;
  first.abort(new Error('the first has gone'));
  await assert.rejects(both[0] as Promise<number>, /the first has gone/);
  assert.equal(signal.aborted, false);
  second.abort(new Error('the second has gone'));
  await assert.rejects(both[1] as Promise<number>, /the second has gone/);
  assert.equal(signal.aborted, true);
  assert.equal(
    await shared.join('a', async () => 3, NEVER),
    3,
    'a later caller does not join what was given up',
  );
});
