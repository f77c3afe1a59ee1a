import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Account } from '../../../src/account.ts';
import { failure } from '../../../src/failures.ts';
import type { ApiCall } from '../../../src/wechat/api/client.ts';
import { createQuotaReader } from '../../../src/wechat/media/quota.ts';

const account = {
  account: 'wx1',
  product: 'official',
  appId: 'wx1',
  secret: 'secret-of-wx1',
  token: 't',
  requireEncryption: false,
  concurrency: 4,
} as const satisfies Account;
const NEVER = new AbortController().signal;
const token = { value: 'TOKEN', fingerprint: 'f', issuedAt: new Date(0), expiresAt: new Date(1) };

function reader(respond: () => Record<string, unknown>) {
  const calls: ApiCall[] = [];
  const read = createQuotaReader({
    api: {
      call: async (call) => {
        calls.push(call);
        return respond();
      },
    },
    tokens: { get: async () => token },
  });
  return { read, calls };
}

test('the quota of media/get is requested and read', async () => {
  const { read, calls } = reader(() => ({ errcode: 0, quota: { daily_limit: 200, used: 150, remain: 50 } }));
  assert.deepEqual(await read(account, NEVER), { dailyLimit: 200, used: 150, remain: 50 });
  assert.equal(calls[0]?.path, '/cgi-bin/openapi/quota/get');
  assert.deepEqual(calls[0]?.body, { cgi_path: '/cgi-bin/media/get' });
});

test('a quota that cannot be read is undefined', async () => {
  const unreadable = [() => ({}), () => ({ quota: 'none' }), () => ({ quota: { daily_limit: 'x' } })];
  for (const respond of unreadable) assert.equal(await reader(respond).read(account, NEVER), undefined);
  const refused = reader(() => {
    throw failure('malformed_answer');
  });
  assert.equal(await refused.read(account, NEVER), undefined);
});

test('no quota is requested for WeCom', async () => {
  const { read, calls } = reader(() => ({}));
  assert.equal(await read({ ...account, product: 'wecom' }, NEVER), undefined);
  assert.equal(calls.length, 0);
});
