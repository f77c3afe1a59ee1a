import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccountLimiter } from '../../../src/pipeline/dispatch/account-limiter.ts';

const never = new AbortController().signal;
const PATIENT_MS = 60_000;

describe('gate', () => {
  it('lets as many of an account in as its limit, and the next when one leaves', async () => {
    const gate = createAccountLimiter();
    const first = await gate.acquire('a', 2, 0, never);
    const second = await gate.acquire('a', 2, 0, never);
    assert.ok(first && second);
    const third = gate.acquire('a', 2, PATIENT_MS, never);
    first();
    assert.ok(await third);
    assert.equal(await gate.acquire('a', 2, 1, never), undefined, 'still two inside');
  });

  it('keeps accounts out of each other’s way', async () => {
    const gate = createAccountLimiter();
    assert.ok(await gate.acquire('a', 1, 0, never));
    assert.ok(await gate.acquire('b', 1, 0, never));
  });

  it('lets nobody in after a leaver while more run than the limit has become', async () => {
    const gate = createAccountLimiter();
    const leaves = [await gate.acquire('a', 2, 0, never), await gate.acquire('a', 2, 0, never)];
    const waiting = gate.acquire('a', 1, PATIENT_MS, never);
    leaves[0]?.();
    assert.equal(await gate.acquire('a', 1, 1, never), undefined);
    leaves[1]?.();
    assert.ok(await waiting);
  });

  it('counts a place that is left twice once', async () => {
    const gate = createAccountLimiter();
    const leave = await gate.acquire('a', 1, 0, never);
    leave?.();
    leave?.();
    assert.ok(await gate.acquire('a', 1, 0, never));
    assert.equal(await gate.acquire('a', 1, 1, never), undefined);
  });

  it('serves in the order of arrival and forgets who gave up', async () => {
    const gate = createAccountLimiter();
    const leave = await gate.acquire('a', 1, 0, never);
    const impatient = gate.acquire('a', 1, 1, never);
    const controller = new AbortController();
    const aborted = gate.acquire('a', 1, PATIENT_MS, controller.signal);
    const waiting = gate.acquire('a', 1, PATIENT_MS, never);
    assert.equal(await impatient, undefined);
    controller.abort(new Error('closing'));
    await assert.rejects(aborted, /closing/);
    leave?.();
    assert.ok(await waiting);
  });

  it('heeds a limit that shrank while some were running', async () => {
    const gate = createAccountLimiter();
    const never = new AbortController().signal;
    const running = await Promise.all([1, 2, 3].map(() => gate.acquire('a', 3, 60_000, never)));
    let admitted = false;
    const waiting = gate.acquire('a', 1, 60_000, never).then((leave) => {
      admitted = true;
      return leave;
    });
    for (const leave of running.slice(0, 2)) {
      leave?.();
      await new Promise(setImmediate);
      assert.equal(admitted, false, 'one is running, and one is the limit');
    }
    running[2]?.();
    (await waiting)?.();
  });

  it('counts a place that is given back twice once', async () => {
    const gate = createAccountLimiter();
    const [first] = [await gate.acquire('a', 2, 0, never), await gate.acquire('a', 2, 0, never)];
    first?.();
    first?.();
    assert.ok(await gate.acquire('a', 2, 0, never));
    assert.equal(await gate.acquire('a', 2, 1, never), undefined, 'two are inside');
  });
});
