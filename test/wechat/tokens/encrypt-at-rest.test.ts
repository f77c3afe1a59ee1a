import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decryptAtRest, encryptAtRest, fingerprintOf } from '../../../src/wechat/tokens/encrypt-at-rest.ts';

const account = { account: 'wx1', secret: 'secret-1' };

test('a sealed token opens for its account alone, and shows nothing of itself', () => {
  const sealed = encryptAtRest(account, 'the-token');
  assert.ok(
    !sealed.includes('the-token') && !Buffer.from(sealed.slice(3), 'base64url').includes('the-token'),
  );
  assert.notEqual(sealed, encryptAtRest(account, 'the-token'));
  assert.equal(decryptAtRest(account, sealed), 'the-token');
  assert.equal(decryptAtRest({ ...account, secret: 'secret-2' }, sealed), undefined);
  assert.equal(decryptAtRest({ ...account, account: 'wx2' }, sealed), undefined);
});

test('what was tampered with does not open', () => {
  const sealed = encryptAtRest(account, 'the-token');
  for (const spoilt of [
    '',
    'v1.',
    'v2.abc',
    sealed.slice(0, -4),
    sealed.replace('v1', 'v9'),
    `${sealed}AAAA`,
  ]) {
    assert.equal(decryptAtRest(account, spoilt), undefined, spoilt);
  }
});

test('a fingerprint is short hex and tells tokens apart', () => {
  assert.match(fingerprintOf('a'), /^[0-9a-f]{16}$/);
  assert.notEqual(fingerprintOf('a'), fingerprintOf('b'));
});
