import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLease, type LeaseStore } from '../../src/runtime/lease.ts';

const clock = { now: () => new Date('2026-01-01T00:00:00Z') };

function createStore(isFree = true) {
  const calls: string[] = [];
  const state = { isFree };
  const leases: LeaseStore = {
    take: async (name, _holder, now, until) => {
      calls.push(`take ${name} for ${until.getTime() - now.getTime()} ms`);
      return state.isFree;
    },
    drop: async (name) => void calls.push(`drop ${name}`),
  };
  return { leases, calls, state };
}

test('a lease is taken for its duration and given back once', async () => {
  const { leases, calls } = createStore();
  const lease = createLease({ leases, clock }, { name: 'sweep', durationMs: 9_000 });
  assert.equal(await lease.take(), true);
  await lease.drop();
  await lease.drop();
  assert.deepEqual(calls, ['take sweep for 9000 ms', 'drop sweep']);
});

test('a lease that another process has is not given back', async () => {
  const { leases, calls } = createStore(false);
  const lease = createLease({ leases, clock }, { name: 'sweep', durationMs: 9_000 });
  assert.equal(await lease.take(), false);
  await lease.drop();
  assert.equal(calls.length, 1);
});

test('a lease is renewed while the work runs, and its loss ends the work', async () => {
  const { leases, state, calls } = createStore();
  const lease = createLease({ leases, clock }, { name: 'sweep', durationMs: 30 });
  const work = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      // It is lost only after it has been renewed once.
      const poll = setInterval(() => {
        if (calls.length === 0) return;
        clearInterval(poll);
        state.isFree = false;
      }, 1);
    });
  await assert.rejects(lease.whileHeld(work, new AbortController().signal), /taken by another process/);
  assert.ok(calls.length >= 2);
});
