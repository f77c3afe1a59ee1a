import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccountLimiter } from '../../../src/pipeline/dispatch/account-limiter.ts';

const never = new AbortController().signal;
const LONG_MS = 60_000;

describe('the account limiter', () => {
  it('admits as many of an account as its limit, and the next when one is released', async () => {
    const limiter = createAccountLimiter();
    const first = await limiter.acquire('a', 2, 0, never);
    const second = await limiter.acquire('a', 2, 0, never);
    assert.ok(first && second);
    const third = limiter.acquire('a', 2, LONG_MS, never);
    first();
    assert.ok(await third);
    assert.equal(await limiter.acquire('a', 2, 1, never), undefined, 'two are still running');
  });

  it('counts each account on its own', async () => {
    const limiter = createAccountLimiter();
    assert.ok(await limiter.acquire('a', 1, 0, never));
    assert.ok(await limiter.acquire('b', 1, 0, never));
  });

  it('admits none after a release while more run than the lowered limit', async () => {
    const limiter = createAccountLimiter();
    const releases = [await limiter.acquire('a', 2, 0, never), await limiter.acquire('a', 2, 0, never)];
    const waiting = limiter.acquire('a', 1, LONG_MS, never);
    releases[0]?.();
    assert.equal(await limiter.acquire('a', 1, 1, never), undefined);
    releases[1]?.();
    assert.ok(await waiting);
  });

  it('counts a place once that is released twice', async () => {
    const limiter = createAccountLimiter();
    const release = await limiter.acquire('a', 1, 0, never);
    release?.();
    release?.();
    assert.ok(await limiter.acquire('a', 1, 0, never));
    assert.equal(await limiter.acquire('a', 1, 1, never), undefined);
  });

  it('serves in the order of arrival and drops callers that gave up', async () => {
    const limiter = createAccountLimiter();
    const release = await limiter.acquire('a', 1, 0, never);
    const timedOut = limiter.acquire('a', 1, 1, never);
    const controller = new AbortController();
    const aborted = limiter.acquire('a', 1, LONG_MS, controller.signal);
    const waiting = limiter.acquire('a', 1, LONG_MS, never);
    assert.equal(await timedOut, undefined);
    controller.abort(new Error('closing'));
    await assert.rejects(aborted, /closing/);
    release?.();
    assert.ok(await waiting);
  });

  it('applies a limit that was lowered while some were running', async () => {
    const limiter = createAccountLimiter();
    const running = await Promise.all([1, 2, 3].map(() => limiter.acquire('a', 3, 60_000, never)));
    let admitted = false;
    const waiting = limiter.acquire('a', 1, 60_000, never).then((release) => {
      admitted = true;
      return release;
    });
    for (const release of running.slice(0, 2)) {
      release?.();
      await new Promise(setImmediate);
      assert.equal(admitted, false, 'one is running, and one is the limit');
    }
    running[2]?.();
    (await waiting)?.();
  });

  it('keeps its count where one of two places is released twice', async () => {
    const limiter = createAccountLimiter();
    const [first] = [await limiter.acquire('a', 2, 0, never), await limiter.acquire('a', 2, 0, never)];
    first?.();
    first?.();
    assert.ok(await limiter.acquire('a', 2, 0, never));
    assert.equal(await limiter.acquire('a', 2, 1, never), undefined, 'two are running');
  });

  it('admits as many as the share of this process', async () => {
    const limiter = createAccountLimiter((_account, concurrency) => concurrency / 2);
    assert.ok(await limiter.acquire('a', 4, 0, never));
    assert.ok(await limiter.acquire('a', 4, 0, never));
    assert.equal(await limiter.acquire('a', 4, 1, never), undefined);
  });
});
