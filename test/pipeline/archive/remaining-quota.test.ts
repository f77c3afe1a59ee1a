import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import type { AccountQuota, AccountState } from '../../../src/catalogue/accounts/accounts.ts';
import {
  createQuotaLoop,
  createReadQuota,
  type QuotaDeps,
  quotaOfToday,
} from '../../../src/pipeline/archive/remaining-quota.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const QUOTA = { dailyLimit: 200, used: 150, remain: 50 };
const fails = async () => Promise.reject(new Error('unavailable'));

function setup(changes: { quotaOf?: QuotaDeps['quotaOf']; saveQuota?: () => Promise<never> } = {}) {
  const saved: [string, AccountQuota][] = [];
  const saveQuota = async (account: string, quota: AccountQuota) => void saved.push([account, quota]);
  const read = createReadQuota({
    quotaOf: changes.quotaOf ?? (async () => QUOTA),
    accounts: createAccounts([{ account: 'wx1' } as never]),
    catalogue: { accounts: { saveQuota: changes.saveQuota ?? saveQuota } },
    clock: { now: () => NOW },
  });
  return { read, saved };
}

test('a reading returns what is left and saves it with its time', async () => {
  const { read, saved } = setup();
  assert.equal((await read('wx1'))?.remain, 50);
  assert.deepEqual(saved, [['wx1', { ...QUOTA, readAt: NOW.toISOString() }]]);
});

test('a reading that WeChat refuses, or of an unknown account, returns and saves nothing', async () => {
  for (const [name, quotaOf] of [
    ['wx1', async () => undefined],
    ['wx1', fails],
    ['wx9', async () => QUOTA],
  ] as const) {
    const { read, saved } = setup({ quotaOf });
    assert.equal(await read(name), undefined);
    assert.deepEqual(saved, []);
  }
});

test('a reading returns what is left even where it cannot be saved', async () => {
  assert.equal((await setup({ saveQuota: fails }).read('wx1'))?.remain, 50);
});

test('a reading from before midnight in Beijing does not count for today', () => {
  const saved = { ...QUOTA, remain: 0, readAt: '2026-05-01T15:59:59.000Z' };
  assert.deepEqual(quotaOfToday(saved, new Date('2026-05-01T15:59:59.900Z')), saved);
  assert.equal(quotaOfToday(saved, new Date('2026-05-01T16:00:00Z')), undefined);
  const fresh = { ...saved, readAt: '2026-05-01T16:00:00.000Z' };
  assert.deepEqual(quotaOfToday(fresh, new Date('2026-05-02T15:59:59Z')), fresh);
  assert.equal(quotaOfToday(undefined, NOW), undefined);
});

const noLine = () => assert.fail('nothing fails');

test('one process of all reads the quota of each official account with a token, every ten minutes and after the reset', async (t) => {
  const stopped = new AbortController();
  t.after(() => stopped.abort());
  let now = new Date('2026-05-01T15:30:00Z');
  const tokenExpiresAt = new Date('2026-05-03T00:00:00Z');
  const states: AccountState[] = [
    { account: 'wx1', tokenExpiresAt },
    { account: 'wx2' },
    { account: 'wx3', tokenExpiresAt },
    { account: 'corp', tokenExpiresAt },
  ];
  const read: string[] = [];
  const waits: (() => void)[] = [];
  let hasLease = true;
  const loop = createQuotaLoop({
    readQuota: async (account) => {
      read.push(account);
      if (account === 'wx3') return undefined;
      states[0] = { ...states[0]!, quota: { ...QUOTA, readAt: now.toISOString() } };
      return QUOTA;
    },
    accounts: createAccounts([
      { account: 'wx1', product: 'official' },
      { account: 'wx2', product: 'official' },
      { account: 'wx3', product: 'official' },
      { account: 'corp', product: 'wecom' },
    ] as never),
    catalogue: {
      leases: { take: async () => hasLease, drop: async () => undefined },
      accounts: { list: async () => states },
    },
    clock: { now: () => now, sleep: () => new Promise<void>((resolve) => void waits.push(resolve)) },
    lifetimes: { scale: (ms) => ms },
    log: { info: noLine, warn: noLine, error: noLine },
    metrics: createMetrics(),
  });
  const running = loop.run(stopped.signal);
  const pollAt = async (time: string) => {
    now = new Date(time);
    read.length = 0;
    waits.pop()!();
    while (waits.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return [...read];
  };
  // No token is asked for only to read a quota; the account that may not ask is left alone for six hours.
  assert.deepEqual(await pollAt('2026-05-01T15:30:00Z'), ['wx1', 'wx3']);
  assert.deepEqual(await pollAt('2026-05-01T15:39:00Z'), []);
  assert.deepEqual(await pollAt('2026-05-01T15:55:00Z'), ['wx1']);
  assert.deepEqual(await pollAt('2026-05-01T16:01:00Z'), ['wx1'], 'the day began anew');
  hasLease = false;
  assert.deepEqual(await pollAt('2026-05-01T20:00:00Z'), [], 'another process has the lease');
  hasLease = true;
  assert.deepEqual(await pollAt('2026-05-01T22:00:00Z'), ['wx1', 'wx3']);
  stopped.abort();
  waits.pop()!();
  await running;
});
