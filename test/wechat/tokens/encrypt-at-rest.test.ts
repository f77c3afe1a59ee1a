import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decryptAtRest, encryptAtRest, fingerprintOf } from '../../../src/wechat/tokens/encrypt-at-rest.ts';

const account = { account: 'wx1', secret: 'secret-1' };

test('an encrypted token can be decrypted only with the account and secret it was encrypted for', () => {
  const encrypted = encryptAtRest(account, 'the-token');
  assert.ok(
    !encrypted.includes('the-token') && !Buffer.from(encrypted.slice(3), 'base64url').includes('the-token'),
  );
  assert.notEqual(encrypted, encryptAtRest(account, 'the-token'));
  assert.equal(decryptAtRest(account, encrypted), 'the-token');
  assert.equal(decryptAtRest({ ...account, secret: 'secret-2' }, encrypted), undefined);
  assert.equal(decryptAtRest({ ...account, account: 'wx2' }, encrypted), undefined);
});

test('a changed ciphertext cannot be decrypted', () => {
  const encrypted = encryptAtRest(account, 'the-token');
  for (const changed of [
    '',
    'v1.',
    'v2.abc',
    encrypted.slice(0, -4),
    encrypted.replace('v1', 'v9'),
    `${encrypted}AAAA`,
  ]) {
    assert.equal(decryptAtRest(account, changed), undefined, changed);
  }
});

test('a fingerprint is short hex and differs between tokens', () => {
  assert.match(fingerprintOf('a'), /^[0-9a-f]{16}$/);
  assert.notEqual(fingerprintOf('a'), fingerprintOf('b'));
});
