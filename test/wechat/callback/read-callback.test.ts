/** Signatures, encryption and the forms of a callback. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Account } from '../../../src/account.ts';
import { referenceSchema } from '../../../src/media.ts';
import { createRandom } from '../../../src/runtime/seeded-random.ts';
import { readCallback, readHandshake } from '../../../src/wechat/callback/read-callback.ts';
import { signatureOf } from '../../../src/wechat/callback/signature.ts';
import { IMAGE, outcomeOf, plain, safe } from './setup.ts';
import {
  AES_KEY,
  APP_ID,
  account,
  encrypt,
  encryptedQuery,
  NOW,
  plainQuery,
  SAFE_MODE,
  xml,
} from './vectors.ts';

test('the handshake of the documentation returns its echostr', () => {
  const query = {
    signature: 'f464b24fc39322e44b38aa78f5edd27bd1441696',
    echostr: '4375120948345356249',
    timestamp: '1714036504',
    nonce: '1514711492',
  };
  assert.deepEqual(readHandshake(account(), query), { kind: 'accepted', text: '4375120948345356249' });
  for (const wrong of [
    { signature: 'f464' },
    { nonce: '1' },
    { echostr: undefined },
    { echostr: ['1', '2'] },
  ]) {
    const result = readHandshake(account(), { ...query, ...wrong });
    assert.equal(result.kind === 'refused' && result.status, 403);
  }
});

test('the handshake of WeCom returns the decrypted echostr', () => {
  const wecom = account({ product: 'wecom', account: `${APP_ID}-1` });
  const echostr = encrypt('1616140317555161061', AES_KEY, APP_ID);
  const { signature: _, ...query } = encryptedQuery(echostr);
  assert.deepEqual(readHandshake(wecom, { ...query, echostr }), {
    kind: 'accepted',
    text: '1616140317555161061',
  });
  const other = readHandshake(wecom, { ...query, echostr: encrypt('1', AES_KEY, APP_ID) });
  assert.equal(other.kind === 'refused' && other.code, 'bad_signature');
});

test('the JSON body of the documentation in safe mode is read', () => {
  const query = {
    signature: SAFE_MODE.signature,
    timestamp: SAFE_MODE.timestamp,
    nonce: SAFE_MODE.nonce,
    encrypt_type: 'aes',
    msg_signature: SAFE_MODE.msgSignature,
  };
  const body = Buffer.from(JSON.stringify({ ToUserName: 'gh_97417a04a28d', Encrypt: SAFE_MODE.encrypted }));
  const result = readCallback(account(), { query, body, now: NOW });
  assert.deepEqual(result, { kind: 'ignored', messageType: 'event' });
});

test('in compatible mode only the encrypted copy is used', () => {
  const encrypted = encrypt(xml(IMAGE), AES_KEY, APP_ID);
  const body = Buffer.from(xml({ ...IMAGE, MediaId: 'planted', Encrypt: encrypted }));
  const query = encryptedQuery(encrypted);
  const result = readCallback(account(), { query, body, now: NOW });
  assert.equal(result.kind === 'media' && result.references[0]!.mediaId, IMAGE.MediaId);

  const unsigned = readCallback(account(), { query: plainQuery(), body, now: NOW });
  assert.equal(outcomeOf(unsigned), '403 bad_signature', 'the plain signature does not cover the body');

  const { encodingAesKey: _, ...keyless } = account();
  const read = readCallback(keyless, { query, body, now: NOW });
  assert.equal(
    read.kind === 'media' && read.references[0]!.mediaId,
    'planted',
    'without a key: the plain copy',
  );
});

test('an encrypted body with another signature, key or account is refused', () => {
  const { encodingAesKey: _, ...keyless } = account();
  const encrypted = encrypt(xml(IMAGE), AES_KEY, APP_ID);
  const body = Buffer.from(xml({ Encrypt: encrypted }));
  const query = encryptedQuery(encrypted);
  const read = (who: Account, how: Record<string, string>) =>
    outcomeOf(readCallback(who, { query: how, body, now: NOW }));
  assert.equal(read(account(), query), 'media');
  assert.equal(read(account(), { ...query, msg_signature: signatureOf(['x']) }), '403 bad_signature');
  assert.equal(read(account({ token: 'BBBBB' }), query), '403 bad_signature');
  assert.equal(read(account({ encodingAesKey: 'B'.repeat(43) }), query), '403 cannot_decrypt');
  assert.equal(read(account({ appId: 'wx0000000000000000' }), query), '403 cannot_decrypt');
  assert.equal(read(keyless, query), '403 encryption_key_missing');
});

test('a callback is decrypted with the previous EncodingAESKey during a rotation', () => {
  const previous = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
  assert.equal(safe(xml(IMAGE), { previousEncodingAesKey: previous }, previous).kind, 'media');
});

test('a plain body is refused when unsigned, stale, from the future, or when encryption is required', () => {
  const at = (minutes: number, body = xml(IMAGE)) => {
    const query = plainQuery('AAAAA', new Date(NOW.getTime() + minutes * 60_000));
    return outcomeOf(readCallback(account(), { query, body: Buffer.from(body), now: NOW }));
  };
  assert.equal(at(-14.9), 'media');
  assert.equal(at(14.9), 'media');
  assert.equal(at(-15.1), '403 stale_timestamp');
  assert.equal(at(15.1), '403 stale_timestamp');
  assert.equal(outcomeOf(plain(xml(IMAGE), { requireEncryption: true })), '403 encryption_required');
  assert.equal(outcomeOf(plain(xml(IMAGE), { token: 'BBBBB' })), '403 bad_signature');
  for (const timestamp of ['', 'NaN', '-1', '1e999']) {
    const query = { timestamp, nonce: '1', signature: signatureOf(['AAAAA', timestamp, '1']) };
    const result = readCallback(account(), { query, body: Buffer.from(xml(IMAGE)), now: NOW });
    assert.equal(outcomeOf(result), '403 stale_timestamp');
  }
  const unsigned = readCallback(account(), { query: {}, body: Buffer.from('<'), now: NOW });
  assert.equal(outcomeOf(unsigned), '403 bad_signature', 'who cannot sign learns nothing of the parser');
});

test('an encrypted body is accepted whatever its timestamp', () => {
  const encrypted = encrypt(xml(IMAGE), AES_KEY, APP_ID);
  const query = encryptedQuery(encrypted, 'AAAAA', new Date(NOW.getTime() - 86_400_000));
  const result = readCallback(account(), { query, body: Buffer.from(xml({ Encrypt: encrypted })), now: NOW });
  assert.equal(result.kind, 'media');
});

test('hostile XML is refused', () => {
  const hostile = {
    doctype: `<!DOCTYPE xml [<!ENTITY a "b">]>${xml(IMAGE)}`,
    'external entity': `<!DOCTYPE xml SYSTEM "file:///etc/passwd">${xml(IMAGE)}`,
    'unknown entity': '<xml><MsgType>&xxe;</MsgType></xml>',
    'bare ampersand': '<xml><MsgType>a & b</MsgType></xml>',
    'character that is none': '<xml><MsgType>&#xD800;</MsgType></xml>',
    instruction: '<xml><?php echo 1 ?><MsgType>text</MsgType></xml>',
    deep: `${'<a>'.repeat(9)}${'</a>'.repeat(9)}`,
    deeper: '<a>'.repeat(20_000),
    crossed: '<xml><a><b></a></b></xml>',
    unclosed: '<xml><MsgType>text</MsgType>',
    'two roots': '<xml><MsgType>text</MsgType></xml><xml></xml>',
    'text before': 'hello <xml><MsgType>text</MsgType></xml>',
    'text after': '<xml><MsgType>text</MsgType></xml> hello',
    'cut cdata': '<xml><MsgType><![CDATA[text</MsgType></xml>',
    'many open cdata': `<xml>${'<![CDATA['.repeat(7_000)}`,
    empty: '',
    text: 'success',
    'deep JSON': `{"MsgType":${'['.repeat(60_000)}`,
    'closed deep JSON': `{"MsgType":"text","a":${'['.repeat(30_000)}${']'.repeat(30_000)}`,
    'cut JSON': '{"MsgType":"text"',
    'JSON array': '[1]',
  };
  for (const [name, body] of Object.entries(hostile)) {
    assert.equal(outcomeOf(plain(body)), '400 malformed_message', name);
    assert.equal(outcomeOf(safe(body)), '400 malformed_message', `${name}, encrypted`);
  }
});

test('predefined entities, character references and names like __proto__ are read', () => {
  const body =
    '<xml><__proto__>x</__proto__><MsgType>image</MsgType><MediaId>&lt;&#97;&#x62;&amp;&gt;</MediaId></xml>';
  const result = plain(body);
  assert.equal(result.kind === 'media' && result.references[0]!.mediaId, '<ab&>');
  assert.equal(plain('{"__proto__":{"MsgType":"image"},"MsgType":"text"}').kind, 'ignored');
});

test('a refusal contains nothing of what was sent or configured', () => {
  const { secret, token, encodingAesKey } = account();
  for (const result of [plain('<MARKER'), safe('{"MARKER"'), plain(xml(IMAGE), { token: 'other' })]) {
    const text = JSON.stringify(result);
    for (const word of ['MARKER', secret, token, encodingAesKey!]) assert.ok(!text.includes(word));
  }
});

test('mutated bodies lead to results and refusals, never to an exception', () => {
  // Seeded, so that a find can be played again.
  const random = createRandom(20_240_426);
  const pick = (below: number) => Math.floor(random() * below);
  const encrypted = encrypt(xml(IMAGE), AES_KEY, APP_ID);
  const seeds = [
    xml(IMAGE),
    JSON.stringify(IMAGE),
    xml({ Encrypt: encrypted }),
    `{"Encrypt":"${encrypted}"}`,
  ];
  const scraps = [
    '<',
    '>',
    '&',
    '<![CDATA[',
    ']]>',
    '<!--',
    '&#x0;',
    '{',
    '"',
    '\0',
    '\ud800',
    '<a b="c">',
    '<?',
  ];
  const seen = new Map<string, number>();
  for (let index = 0; index < 6_000; index++) {
    let bytes: Buffer = Buffer.from(seeds[index % seeds.length]!);
    for (let change = 0; change <= pick(4); change++) {
      const at = pick(bytes.length + 1);
      const upTo = Math.min(bytes.length, at + pick(20));
      const middle = pick(2) === 0 ? Buffer.from([pick(256)]) : Buffer.from(scraps[pick(scraps.length)]!);
      bytes = Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(pick(3) === 0 ? upTo : at)]);
    }
    const text = bytes.toString('utf8');
    // Half of them signed as they stand, so that the mutation gets past the signature.
    const inside = /Encrypt>?<!\[CDATA\[(.*?)\]|"Encrypt":"(.*?)"/s.exec(text);
    const query = pick(2) === 0 ? encryptedQuery(inside?.[1] ?? inside?.[2] ?? '') : plainQuery();
    const whole = pick(3) === 0 ? safe(text) : readCallback(account(), { query, body: bytes, now: NOW });
    if (whole.kind === 'media') {
      for (const reference of whole.references)
        assert.ok(referenceSchema.safeParse(JSON.parse(JSON.stringify(reference))).success);
    }
    const outcome = outcomeOf(whole);
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  }
  for (const outcome of [
    'media',
    'ignored',
    '400 malformed_message',
    '403 bad_signature',
    '403 cannot_decrypt',
  ]) {
    assert.ok((seen.get(outcome) ?? 0) > 0, `${outcome} was reached: ${JSON.stringify([...seen])}`);
  }
});
