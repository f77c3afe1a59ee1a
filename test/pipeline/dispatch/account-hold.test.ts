import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccountHold } from '../../../src/catalogue/accounts/accounts.ts';
import { createAccountHolds, pictureWindowMs } from '../../../src/pipeline/dispatch/account-hold.ts';
import { createLifetimes } from '../../../src/runtime/clock.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const MINUTE_MS = 60_000;
const LIFE_MS = 72 * 60 * MINUTE_MS;
const at = (ms: number) => new Date(NOW.getTime() + ms);
const lifetimes = createLifetimes({ mediaLifetimeMs: LIFE_MS, timeScale: 1 });
const UNAUTHORIZED = { code: 'api_unauthorized', class: 'account', errcode: 48001 } as const;
const held = (untilMs: number, why: AccountHold['reason'] = UNAUTHORIZED): AccountHold => ({
  account: 'wx1',
  until: at(untilMs),
  ...(why && { reason: why }),
});
const job = (reference: object = {}) => ({
  id: 'm_1',
  generation: 3,
  reference: { account: 'wx1', mediaId: 'x', kind: 'image', sentAt: NOW, ...reference } as never,
});

/** `holds` is what the catalogue returns, and may be changed by a test. */
function setup(given: { holds: AccountHold[]; probing?: boolean; lifted?: boolean; isNew?: boolean }) {
  const calls: string[] = [];
  const state = { ...given };
  const holds = createAccountHolds({
    catalogue: {
      queue: {
        requeueHeld: async () => {
          calls.push('requeue');
          return !state.lifted;
        },
      },
      accounts: {
        listHolds: async () => {
          calls.push('read');
          return state.holds;
        },
        hold: async () => state.isNew ?? true,
        takeProbe: async () => !state.probing,
        endLapsedHold: async () => {
          calls.push('lift');
          return true;
        },
      },
    },
    clock: { now: () => NOW },
    lifetimes,
    log: {
      info: (...args: unknown[]) => void calls.push(String(args.at(-1))),
      warn: (...args: unknown[]) => void calls.push(String(args.at(-1))),
    },
    rereadAccounts: () => void calls.push('reread'),
  });
  return { holds, calls, state };
}

describe('account holds', () => {
  it('admit an item whose account is not held, and read the catalogue once for many items', async () => {
    const { holds, calls } = setup({ holds: [{ account: 'wx2', until: at(1) }] });
    for (let times = 0; times < 3; times++)
      assert.deepEqual(await holds.admit(job()), { to: 'proceed', isProbe: false });
    assert.deepEqual(calls, ['read']);
  });

  it('requeue the items of a held account', async () => {
    const { holds } = setup({ holds: [held(MINUTE_MS)] });
    assert.deepEqual(await holds.admit(job()), { to: 'requeued' });
  });

  it('let one item probe when the time is over, with secrets that are read again', async () => {
    const first = setup({ holds: [held(-1)] });
    assert.deepEqual(await first.holds.admit(job()), { to: 'proceed', isProbe: true });
    assert.deepEqual(first.calls, ['read', 'reread']);
    const other = setup({ holds: [held(-1)], probing: true });
    assert.deepEqual(await other.holds.admit(job()), { to: 'requeued' });
  });

  it('admit an item whose hold has just ended, and read the holds again', async () => {
    const { holds, calls } = setup({ holds: [held(MINUTE_MS)], lifted: true });
    assert.deepEqual(await holds.admit(job()), { to: 'proceed', isProbe: false });
    await holds.admit(job());
    assert.deepEqual(calls, ['read', 'requeue', 'read', 'requeue']);
  });

  it('apply a hold of this process at once, and log it once', async () => {
    const { holds, calls, state } = setup({ holds: [] });
    await holds.admit(job());
    state.holds = [held(MINUTE_MS)];
    await holds.hold('wx1', at(MINUTE_MS), UNAUTHORIZED);
    assert.deepEqual(await holds.admit(job()), { to: 'requeued' });
    state.isNew = false;
    await holds.hold('wx1', at(MINUTE_MS), UNAUTHORIZED);
    assert.equal(calls.filter((call) => call === 'account: held').length, 1);
  });

  it('reread secrets when another process found that the account works', async () => {
    const { holds, calls, state } = setup({ holds: [held(MINUTE_MS)] });
    await holds.admit(job());
    state.holds = [];
    holds.invalidate();
    assert.deepEqual(await holds.admit(job()), { to: 'proceed', isProbe: false });
    assert.equal(calls.at(-1), 'reread');
  });

  it('end when WeChat responds about an item, and cost no query where there is none', async () => {
    const { holds, calls } = setup({ holds: [held(-1)] });
    await holds.reportMediaResponse('wx1', NOW);
    assert.deepEqual(calls, []);
    await holds.admit(job());
    await holds.reportMediaResponse('wx1', NOW);
    assert.deepEqual(calls.slice(-2), ['lift', 'account: works again, released']);
  });

  it('allow only pictures, by their link, when the deadline is near', async () => {
    const near = new Date(NOW.getTime() - LIFE_MS + pictureWindowMs(lifetimes));
    const far = new Date(near.getTime() + 1);
    const picUrl = 'http://mmbiz.qpic.cn/x';
    const where = async (hold: AccountHold, reference: object) =>
      (await setup({ holds: [hold] }).holds.admit(job(reference))).to;
    const hold = held(MINUTE_MS);
    assert.equal(await where(hold, { picUrl, sentAt: near }), 'pictureOnly');
    assert.equal(await where(hold, { picUrl, sentAt: far }), 'requeued');
    assert.equal(await where(hold, { sentAt: near }), 'requeued');
    assert.equal(await where(hold, { picUrl, sentAt: near, kind: 'thumb' }), 'requeued');
    assert.equal(await where(held(-1), { picUrl, sentAt: near }), 'proceed', 'it is the probe');
    const minute = { code: 'x', class: 'minute_limit' } as const;
    assert.equal(await where(held(MINUTE_MS, minute), { picUrl, sentAt: near }), 'requeued');
    const end = new Date(NOW.getTime() - LIFE_MS + MINUTE_MS / 2);
    assert.equal(await where(held(MINUTE_MS, minute), { picUrl, sentAt: end }), 'pictureOnly');
  });
});
