import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAccounts } from '../../src/account.ts';
import type { QuotaNote } from '../../src/catalogue/accounts.ts';
import { createReadQuota, type QuotaDeps } from '../../src/pipeline/remaining-quota.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const QUOTA = { dailyLimit: 200, used: 150, remain: 50 };
const fails = async () => Promise.reject(new Error('away'));

function setup(changes: { quotaOf?: QuotaDeps['quotaOf']; noteQuota?: () => Promise<never> } = {}) {
  const noted: [string, QuotaNote][] = [];
  const noteQuota = async (account: string, note: QuotaNote) => void noted.push([account, note]);
  const read = createReadQuota({
    quotaOf: changes.quotaOf ?? (async () => QUOTA),
    accounts: createAccounts([{ account: 'wx1' } as never]),
    catalogue: { accounts: { noteQuota: changes.noteQuota ?? noteQuota } },
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
