import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import type { AccountQuota, AccountState } from '../../../src/catalogue/accounts/accounts.ts';
import {
  createQuotaRefresh,
  type QuotaDeps,
  quotaOfToday,
  watchQuotas,
} from '../../../src/pipeline/archive/remaining-quota.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const QUOTA = { dailyLimit: 200, used: 150, remain: 50 };
const fails = async () => Promise.reject(new Error('away'));

function setup(changes: { quotaOf?: QuotaDeps['quotaOf']; noteQuota?: () => Promise<never> } = {}) {
  const noted: [string, AccountQuota][] = [];
  const noteQuota = async (account: string, note: AccountQuota) => void noted.push([account, note]);
  const read = createQuotaRefresh({
    quotaOf: changes.quotaOf ?? (async () => QUOTA),
    accounts: createAccounts([{ account: 'wx1' } as never]),
    catalogue: { accounts: { saveQuota: changes.noteQuota ?? noteQuota } },
    clock: { now: () => NOW },
  });
  return { read, noted };
}

test('says what is left and keeps it with the time it was read', async () => {
  const { read, noted } = setup();
  assert.equal((await read('wx1'))?.remain, 50);
  assert.deepEqual(noted, [['wx1', { ...QUOTA, readAt: NOW.toISOString() }]]);
});

test('knows nothing, and keeps nothing, where WeChat does not tell or the account is configured no more', async () => {
  for (const [name, quotaOf] of [
    ['wx1', async () => undefined],
    ['wx1', fails],
    ['wx9', async () => QUOTA],
  ] as const) {
    const { read, noted } = setup({ quotaOf });
    assert.equal(await read(name), undefined);
    assert.deepEqual(noted, []);
  }
});

test('says it even where it cannot be kept', async () => {
  assert.equal((await setup({ noteQuota: fails }).read('wx1'))?.remain, 50);
});

test('what was read before midnight in Beijing tells nothing of today', () => {
  const noted = { ...QUOTA, remain: 0, readAt: '2026-05-01T15:59:59.000Z' };
  assert.deepEqual(quotaOfToday(noted, new Date('2026-05-01T15:59:59.900Z')), noted);
  assert.equal(quotaOfToday(noted, new Date('2026-05-01T16:00:00Z')), undefined);
  const fresh = { ...noted, readAt: '2026-05-01T16:00:00.000Z' };
  assert.deepEqual(quotaOfToday(fresh, new Date('2026-05-02T15:59:59Z')), fresh);
  assert.equal(quotaOfToday(undefined, NOW), undefined);
});

test('one process reads the quota of each official account with a token, every ten minutes and after the reset', async (t) => {
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
  const looks: (() => void)[] = [];
  let leads = true;
  const running = watchQuotas(
    {
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
      catalogue: { leases: { take: async () => leads }, accounts: { list: async () => states } },
      clock: { now: () => now, sleep: () => new Promise<void>((resolve) => void looks.push(resolve)) },
      lifetimes: { scale: (ms) => ms },
      log: { info: () => assert.fail('nothing fails') },
    },
    'a',
    stopped.signal,
  );
  const lookAt = async (time: string) => {
    now = new Date(time);
    read.length = 0;
    looks.pop()!();
    while (looks.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return [...read];
  };
  // No token is asked for only to read a quota; the account that may not ask is left alone for six hours.
  assert.deepEqual(await lookAt('2026-05-01T15:30:00Z'), ['wx1', 'wx3']);
  assert.deepEqual(await lookAt('2026-05-01T15:39:00Z'), []);
  assert.deepEqual(await lookAt('2026-05-01T15:55:00Z'), ['wx1']);
  assert.deepEqual(await lookAt('2026-05-01T16:01:00Z'), ['wx1'], 'the day began anew');
  leads = false;
  assert.deepEqual(await lookAt('2026-05-01T20:00:00Z'), [], 'another process does');
  leads = true;
  assert.deepEqual(await lookAt('2026-05-01T22:00:00Z'), ['wx1', 'wx3']);
  stopped.abort();
  looks.pop()!();
  await running;
});
