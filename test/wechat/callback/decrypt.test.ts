import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decrypt } from '../../../src/wechat/callback/decrypt.ts';
import { isSignatureOf, signatureOf } from '../../../src/wechat/callback/signature.ts';
import { AES_KEY, APP_ID, encrypt, encryptRaw, SAFE_MODE } from './vectors.ts';

const KEY = Buffer.from(`${AES_KEY}=`, 'base64');

test('the signatures of the documentation are computed', () => {
  const official = [
    [['AAAAA', '1714036504', '1514711492'], 'f464b24fc39322e44b38aa78f5edd27bd1441696'],
    [['AAAAA', '1714037059', '486452656'], '899cf89e464efb63f54ddac96b0a0a235f53aa78'],
    [['AAAAA', '1714112445', '415670741'], SAFE_MODE.signature],
    [['AAAAA', '1714112445', '415670741', SAFE_MODE.encrypted], SAFE_MODE.msgSignature],
  ] as const;
  for (const [parts, signature] of official) {
    assert.equal(signatureOf(parts), signature);
    assert.ok(isSignatureOf(signature.toUpperCase(), parts.toReversed()));
  }
});

test('a signature that is missing, short, long, not hex or of other parts is invalid', () => {
  const parts = ['AAAAA', '1714036504', '1514711492'];
  const right = signatureOf(parts);
  const wrong = [undefined, '', right.slice(1), `${right}0`, right.replace(/./, 'g'), 'é'.repeat(40)];
  for (const given of wrong) assert.equal(isSignatureOf(given, parts), false);
  assert.equal(isSignatureOf(signatureOf(['AAAAB', '1714036504', '1514711492']), parts), false);
});

test('the ciphertexts of the documentation are decrypted', () => {
  assert.equal(decrypt(SAFE_MODE.encrypted, [AES_KEY], APP_ID), SAFE_MODE.message);
  const reply = 'ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==';
  assert.equal(decrypt(reply, [AES_KEY], APP_ID), '{"demo_resp":"good luck"}');
  const chinese = 'jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==';
  const key = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
  assert.equal(decrypt(chinese, [key], 'wxb11529c136998cb6'), '我是中文abcd123');
});

test('the encryption of these tests produces the ciphertexts of the documentation', () => {
  assert.equal(encrypt(SAFE_MODE.message, AES_KEY, APP_ID, 'a8eedb185eb2fecf'), SAFE_MODE.encrypted);
});

test('every padding from 1 to 32 bytes is accepted', () => {
  for (let length = 1; length <= 40; length++) {
    const message = 'm'.repeat(length);
    assert.equal(decrypt(encrypt(message, AES_KEY, APP_ID), [AES_KEY], APP_ID), message);
  }
});

test('a message is decrypted with the previous key during a rotation', () => {
  const previous = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
  const encrypted = encrypt('hello', previous, APP_ID);
  assert.equal(decrypt(encrypted, [AES_KEY, previous], APP_ID), 'hello');
  assert.equal(decrypt(encrypted, [AES_KEY, undefined], APP_ID), undefined);
});

test('a message for another account is not decrypted', () => {
  assert.equal(decrypt(SAFE_MODE.encrypted, [AES_KEY], 'wxba5fad812f8e6fb8'), undefined);
  assert.equal(decrypt(SAFE_MODE.encrypted, [AES_KEY], ''), undefined);
});

test('a malformed plaintext is refused before it is sliced', () => {
  const block = (change: (bytes: Buffer) => void): string => {
    const bytes = Buffer.alloc(64, 'r');
    bytes.writeUInt32BE(5, 16);
    bytes.fill(64 - 25 - APP_ID.length, 25 + APP_ID.length);
    bytes.write(APP_ID, 25);
    change(bytes);
    return encryptRaw(bytes, KEY);
  };
  assert.equal(
    decrypt(
      block(() => {}),
      [AES_KEY],
      APP_ID,
    ),
    'rrrrr',
    'the block is valid before it is changed',
  );
  const changes: ((bytes: Buffer) => void)[] = [
    (bytes) => bytes.fill(0, 63),
    (bytes) => bytes.fill(33, 63),
    (bytes) => bytes.fill(255, 63),
    (bytes) => bytes.writeUInt32BE(0xffffffff, 16),
    (bytes) => bytes.writeUInt32BE(6, 16),
    (bytes) => bytes.writeUInt32BE(0, 16),
  ];
  for (const change of changes) assert.equal(decrypt(block(change), [AES_KEY], APP_ID), undefined);
  assert.equal(decrypt(encryptRaw(Buffer.alloc(16, 16), KEY), [AES_KEY], APP_ID), undefined);
  assert.equal(decrypt(encryptRaw(Buffer.alloc(32, 32), KEY), [AES_KEY], ''), undefined);
});

test('text that is not ciphertext is refused', () => {
  for (const text of ['', '=', '====', 'AAAA', '#', '我', 'A'.repeat(21), `${'A'.repeat(22)}==\0`]) {
    assert.equal(decrypt(text, [AES_KEY], APP_ID), undefined);
  }
  assert.equal(decrypt(SAFE_MODE.encrypted, ['short', undefined], APP_ID), undefined);
});
