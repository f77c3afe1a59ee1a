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
const held = (untilMs: number, why: AccountHold['why'] = UNAUTHORIZED): AccountHold => ({
  account: 'wx1',
  until: at(untilMs),
  ...(why && { why }),
});
const job = (reference: object = {}) => ({
  id: 'm_1',
  round: 3,
  reference: { account: 'wx1', mediaId: 'x', kind: 'image', sentAt: NOW, ...reference } as never,
});

/** `holds` is what the catalogue says, and may be changed by a test. */
function setup(given: { holds: AccountHold[]; probing?: boolean; lifted?: boolean; isNew?: boolean }) {
  const deeds: string[] = [];
  const world = { ...given };
  const holds = createAccountHolds({
    catalogue: {
      queue: {
        requeueHeld: async () => {
          deeds.push('requeue');
          return !world.lifted;
        },
      },
      accounts: {
        holds: async () => {
          deeds.push('read');
          return world.holds;
        },
        hold: async () => world.isNew ?? true,
        takeProbe: async () => !world.probing,
        lift: async () => {
          deeds.push('lift');
          return true;
        },
      },
    },
    clock: { now: () => NOW },
    lifetimes,
    log: {
      info: (...args: unknown[]) => void deeds.push(String(args.at(-1))),
      warn: (...args: unknown[]) => void deeds.push(String(args.at(-1))),
    },
    rereadAccounts: () => void deeds.push('reread'),
  });
  return { holds, deeds, world };
}

describe('holds', () => {
  it('lets a media go whose account nothing holds, and asks the catalogue once for many', async () => {
    const { holds, deeds } = setup({ holds: [{ account: 'wx2', until: at(1) }] });
    for (let times = 0; times < 3; times++)
      assert.deepEqual(await holds.admit(job()), { to: 'go', isProbe: false });
    assert.deepEqual(deeds, ['read']);
  });

  it('sends the media of a held account back', async () => {
    const { holds } = setup({ holds: [held(MINUTE_MS)] });
    assert.deepEqual(await holds.admit(job()), { to: 'later' });
  });

  it('tries one for all when the time is up, with the secrets as they are by now', async () => {
    const first = setup({ holds: [held(-1)] });
    assert.deepEqual(await first.holds.admit(job()), { to: 'go', isProbe: true });
    assert.deepEqual(first.deeds, ['read', 'reread']);
    const other = setup({ holds: [held(-1)], probing: true });
    assert.deepEqual(await other.holds.admit(job()), { to: 'later' });
  });

  it('lets a media go that found nothing to stand back for, and looks again', async () => {
    const { holds, deeds } = setup({ holds: [held(MINUTE_MS)], lifted: true });
    assert.deepEqual(await holds.admit(job()), { to: 'go', isProbe: false });
    await holds.admit(job());
    assert.deepEqual(deeds, ['read', 'requeue', 'read', 'requeue']);
  });

  it('sees its own hold at once, and says it once', async () => {
    const { holds, deeds, world } = setup({ holds: [] });
    await holds.admit(job());
    world.holds = [held(MINUTE_MS)];
    await holds.hold('wx1', at(MINUTE_MS), UNAUTHORIZED);
    assert.deepEqual(await holds.admit(job()), { to: 'later' });
    world.isNew = false;
    await holds.hold('wx1', at(MINUTE_MS), UNAUTHORIZED);
    assert.equal(deeds.filter((deed) => deed === 'the account is held').length, 1);
  });

  it('reads the secrets again when another process found that the account works', async () => {
    const { holds, deeds, world } = setup({ holds: [held(MINUTE_MS)] });
    await holds.admit(job());
    world.holds = [];
    holds.invalidate();
    assert.deepEqual(await holds.admit(job()), { to: 'go', isProbe: false });
    assert.equal(deeds.at(-1), 'reread');
  });

  it('lifts a hold when WeChat answered about a media, and asks nothing where there is none', async () => {
    const { holds, deeds } = setup({ holds: [held(-1)] });
    await holds.reportMediaResponse('wx1');
    assert.deepEqual(deeds, []);
    await holds.admit(job());
    await holds.reportMediaResponse('wx1');
    assert.deepEqual(deeds.slice(-2), ['lift', 'the account works again']);
  });

  it('sends a picture to its link when the deadline is near, and nothing else', async () => {
    const near = new Date(NOW.getTime() - LIFE_MS + pictureWindowMs(lifetimes));
    const far = new Date(near.getTime() + 1);
    const picUrl = 'http://mmbiz.qpic.cn/x';
    const where = async (hold: AccountHold, reference: object) =>
      (await setup({ holds: [hold] }).holds.admit(job(reference))).to;
    const hold = held(MINUTE_MS);
    assert.equal(await where(hold, { picUrl, sentAt: near }), 'picture');
    assert.equal(await where(hold, { picUrl, sentAt: far }), 'later');
    assert.equal(await where(hold, { sentAt: near }), 'later');
    assert.equal(await where(hold, { picUrl, sentAt: near, kind: 'thumb' }), 'later');
    assert.equal(await where(held(-1), { picUrl, sentAt: near }), 'go', 'it is tried for all');
    const minute = { code: 'x', class: 'minute_limit' } as const;
    assert.equal(await where(held(MINUTE_MS, minute), { picUrl, sentAt: near }), 'later');
    const end = new Date(NOW.getTime() - LIFE_MS + MINUTE_MS / 2);
    assert.equal(await where(held(MINUTE_MS, minute), { picUrl, sentAt: end }), 'picture');
  });
});
