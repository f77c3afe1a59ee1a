/** Callbacks that break the form of their message: what users type, and what layouts, proxies and consoles make of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Account } from '../../../src/account.ts';
import { readCallback, readHandshake } from '../../../src/wechat/callback/read-callback.ts';
import { signatureOf } from '../../../src/wechat/callback/signature.ts';
import { AES_KEY, APP_ID, account, encrypt, encryptedQuery, NOW, plainQuery, xml } from './vectors.ts';

const IMAGE = { ToUserName: 'gh_1', FromUserName: 'o1', CreateTime: '1714112445', MsgType: 'image' };
const MEDIA = { ...IMAGE, MsgId: '22800264023876468', MediaId: 'media-1' };

type Query = Record<string, string>;

function read(body: string | Buffer, query: Query = plainQuery(), who: Account = account()) {
  const result = readCallback(who, { query, body: Buffer.from(body), now: NOW });
  if (result.kind === 'refused') return `${result.status} ${result.code}`;
  if (result.kind === 'media') return `media ${result.references.map(({ mediaId }) => mediaId).join(' ')}`;
  return result.kind === 'ignored' ? `ignored ${result.messageType}` : result.kind;
}
/** In plain, in safe mode, and in compatible mode beside an equal plain copy. */
function readInEveryMode(message: string) {
  const encrypted = encrypt(message, AES_KEY, APP_ID);
  const query = encryptedQuery(encrypted);
  const outer = `<Encrypt><![CDATA[${encrypted}]]></Encrypt>`;
  const both = message.replace(/<\/xml>\s*$/, `${outer}</xml>`);
  return [
    read(message),
    read(`<xml><ToUserName>gh_1</ToUserName>${outer}</xml>`, query),
    ...(both === message ? [] : [read(both, query)]),
  ];
}

/** What people typed, or what a scan or a file's name brought. */
const TYPED = [
  'a ]]> b',
  ']]>',
  ']]><b>bold</b>',
  'a ]]> <b> c',
  ']]></Content><MsgType><![CDATA[image]]></MsgType><MediaId><![CDATA[planted]]></MediaId><Content><![CDATA[',
  ']]></Content></xml>',
  ']]></Content></xml><xml><MsgType>image</MsgType><MediaId>planted</MediaId></xml>',
  ']]><!DOCTYPE x [<!ENTITY a "b">]>&a;',
  ']]>&nbsp; & &#xD800; <?php echo 1 ?>',
  `]]>${'<a>'.repeat(50)}`,
  ']]></xml>',
  '<![CDATA[ nested ]]>',
  ']]><Encrypt>planted</Encrypt>',
  ']]></Content><Encrypt><![CDATA[cGxhbnRlZA==]]></Encrypt><Content><![CDATA[',
  `]]></Content>${'<Encrypt>cGxhbnRlZA==</Encrypt>'.repeat(66)}<Content><![CDATA[ <`,
  '\u0000\u0001\uFFFE',
  '{"MsgType":"image","MediaId":"planted"}',
];

for (const typed of TYPED) {
  test(`a text, a place, a link and a scan are accepted with ${JSON.stringify(typed.slice(0, 60))} in them`, () => {
    const start = `<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName><CreateTime>1714112445</CreateTime>`;
    const messages = {
      text: `<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[${typed}]]></Content><MsgId>1</MsgId>`,
      location: `<MsgType><![CDATA[location]]></MsgType><Label><![CDATA[${typed}]]></Label><MsgId>1</MsgId>`,
      link: `<MsgType><![CDATA[link]]></MsgType><Title><![CDATA[${typed}]]></Title><Url><![CDATA[http://x/?a=1&b=2]]></Url><MsgId>1</MsgId>`,
      event: `<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[scancode_push]]></Event><ScanCodeInfo><ScanType><![CDATA[qrcode]]></ScanType><ScanResult><![CDATA[${typed}]]></ScanResult></ScanCodeInfo>`,
    };
    for (const [type, message] of Object.entries(messages)) {
      for (const got of readInEveryMode(`${start}${message}</xml>`)) assert.equal(got, `ignored ${type}`);
    }
  });

  test(`a voice is read whose transcript contains ${JSON.stringify(typed.slice(0, 60))}`, () => {
    const voice = `${xml({ ...MEDIA, MsgType: 'voice' }).replace('</xml>', '')}<Recognition><![CDATA[${typed}]]></Recognition><MediaId16K><![CDATA[media-2]]></MediaId16K></xml>`;
    const found = readInEveryMode(voice);
    for (const got of found) assert.match(got, /^media media-1(?: media-2)?$/);
    // What closes the transcript and the message itself is read up to there; all else is read to the end.
    if (!typed.includes('</'))
      assert.ok(
        found.every((got) => got === 'media media-1 media-2'),
        found.join(),
      );
  });
}

test('a message with unescaped text outside CDATA is read', () => {
  const of = (type: string, rest: string) => read(`<xml><MsgType>${type}</MsgType>${rest}</xml>`);
  assert.equal(of('text', '<Content>a & b</Content>'), 'ignored text');
  assert.equal(of('text', '<Content>a < b</Content>'), 'ignored text');
  assert.equal(of('text', '<Content>&nbsp;</Content>'), 'ignored text');
  assert.equal(
    of('image', '<PicUrl>http://mmbiz.qpic.cn/x?a=1&b=2</PicUrl><MediaId>media-1</MediaId>'),
    'media media-1',
  );
});

test('a broken plain copy or an Encrypt that a user typed does not hide the valid Encrypt', () => {
  const encrypted = encrypt(xml(MEDIA), AES_KEY, APP_ID);
  const good = `<Encrypt><![CDATA[${encrypted}]]></Encrypt>`;
  for (const plain of [
    '<MsgType><![CDATA[image',
    '<Content>a & b',
    '<MsgType></Wrong>',
    '<Encrypt><![CDATA[AAAA]]></Encrypt>',
    '<Encrypt>AAAA</Encrypt><Encrypt/>',
    // As many as a text of 2,048 bytes holds.
    '<Encrypt></Encrypt>'.repeat(107),
    '<!DOCTYPE a>',
    '\u0000',
    '<a>'.repeat(500),
  ]) {
    const body = `<xml>${plain}${good}</xml>`;
    assert.equal(read(body, encryptedQuery(encrypted)), 'media media-1', plain);
    assert.equal(read(body, plainQuery('wrong')).slice(0, 3), '403', plain);
    const other = encryptedQuery(encrypted, 'BBBBB');
    assert.equal(read(body, other), '403 bad_signature', plain);
  }
});

test('white space around and inside the base64 is ignored, whether it was signed or not', () => {
  const encrypted = encrypt(xml(MEDIA), AES_KEY, APP_ID);
  const lines = encrypted.replace(/.{76}/g, '$&\r\n');
  for (const sent of [encrypted, `\n  ${encrypted}\t\n`, lines, `\n${lines}\n`]) {
    for (const signed of [sent, encrypted]) {
      const query = encryptedQuery(signed);
      for (const body of [
        `<xml><Encrypt><![CDATA[${sent}]]></Encrypt></xml>`,
        `<xml>\n<Encrypt>\n${sent}\n</Encrypt>\n</xml>`,
        `\uFEFF<?xml version="1.0" encoding="UTF-8"?>\n<xml><Encrypt>  <![CDATA[${sent}]]>\n</Encrypt></xml>\n`,
        JSON.stringify({ ToUserName: 'gh_1', Encrypt: sent }),
        `\uFEFF\n{"Encrypt":${JSON.stringify(sent).replaceAll('/', '\\/')}}`,
      ]) {
        // What was signed with white space around it cannot be found in a layout that adds its own.
        if (signed !== signed.trim() && body.startsWith('<xml>\n')) continue;
        if (signed !== signed.trim() && body.startsWith('\uFEFF<')) continue;
        assert.equal(read(body, query), 'media media-1', JSON.stringify(body.slice(0, 60)));
      }
      assert.equal(
        read(`<xml><Encrypt>${sent}</Encrypt></xml>`, encryptedQuery(signed, 'BBBBB')),
        '403 bad_signature',
      );
    }
  }
});

test('the handshake of WeCom ignores white space and reads a plus sign that arrives as a space', () => {
  const corp = account({ product: 'wecom', appId: 'ww1', account: 'ww1-2' });
  let echo = '';
  for (let salt = 0; !echo.includes('+'); salt++) {
    echo = encrypt('1616140317555161061', AES_KEY, 'ww1', String(salt).padStart(16, '0'));
  }
  const { signature: _, ...signed } = plainQuery();
  const msg_signature = signatureOf(['AAAAA', signed.timestamp, signed.nonce, echo]);
  for (const echostr of [echo, ` ${echo}\n`, echo.replaceAll('+', ' ')]) {
    const handshake = readHandshake(corp, { ...signed, msg_signature, echostr });
    assert.deepEqual(handshake, { kind: 'accepted', text: '1616140317555161061' });
    const wrong = readHandshake(corp, { ...signed, msg_signature: 'a'.repeat(40), echostr });
    assert.equal(wrong.kind === 'refused' && wrong.code, 'bad_signature');
  }
});

test('a message with declarations, attributes, comments, duplicates, odd numbers or missing fields is read', () => {
  const body = xml(MEDIA);
  const read1 = (text: string) => {
    const result = readCallback(account(), { query: plainQuery(), body: Buffer.from(text), now: NOW });
    assert.equal(result.kind, 'media', text);
    return result.kind === 'media' ? result.references[0]! : assert.fail();
  };
  for (const text of [
    `\uFEFF<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${body}\n`,
    body.replace('<xml>', '<xml xmlns:a="b" c=\'d\'>'),
    body.replace('<MediaId>', '<MediaId type="string">'),
    body.replace('</xml>', '<MediaId>second</MediaId><MsgType>text</MsgType></xml>'),
    body.replace('<MsgType>', '<!-- a -- b --><MsgType>'),
    body.replace('media-1', ']]><![CDATA[media-1]]><![CDATA['),
    body.replace('<![CDATA[media-1]]>', '&#109;edia-1'),
  ]) {
    assert.equal(read1(text).mediaId, 'media-1', text);
  }
  for (const MsgId of ['18446744073709551615', '99999999999999999999', '49d72d67-abc_1555684067'])
    assert.equal(read1(xml({ ...MEDIA, MsgId })).msgId, MsgId);
  assert.equal(
    read1('{"MsgType":"image","MediaId":"m","MsgId":18446744073709551615,"CreateTime":1714112445}').msgId,
    '18446744073709551615',
  );
  const { CreateTime: _, ...timeless } = MEDIA;
  assert.equal(read1(xml(timeless)).sentAt, undefined);
  for (const CreateTime of ['', '0', '-1', 'NaN', '1714112445.5', '1714112445000', '99999999999999999999'])
    assert.equal(read1(xml({ ...MEDIA, CreateTime })).sentAt, undefined, CreateTime);
});

test('only top-level fields of a message count, not nested ones', () => {
  const nested = '<Extra><MediaId>nested</MediaId><MsgType>text</MsgType></Extra>';
  assert.equal(read(xml(MEDIA).replace('<xml>', `<xml>${nested}`)), 'media media-1');
  const broken = xml(MEDIA)
    .replace('<xml>', `<xml>${nested}`)
    .replace('</xml>', '<Title>a & b</Title></xml>');
  assert.equal(read(broken), 'media media-1');
  assert.equal(read(JSON.stringify({ Extra: { MediaId: 'nested' }, ...MEDIA })), 'media media-1');
});

test('JSON with unexpected members is read by its known members', () => {
  const odd = { ...MEDIA, Extra: null, Nested: { MediaId: 'no' }, List: [1], Flag: true, '': '', MsgId: 1.5 };
  assert.equal(read(JSON.stringify(odd)), 'media media-1');
  assert.equal(read('{"MsgType":"text","Content":"a\nb\u0001","MsgId":1}'), 'ignored text');
  assert.equal(read(JSON.stringify({ MsgType: 'text', Content: ']]></xml>"{' })), 'ignored text');
  assert.equal(read(JSON.stringify({ MsgType: 'text', Content: '"Encrypt":"x"' })), 'ignored text');
  for (const MsgType of [null, 7, {}, ['image'], '', true])
    assert.match(read(JSON.stringify({ MsgType, MediaId: 'm' })), /^400 malformed_message$|^ignored other$/);
  assert.equal(read(xml({ ...MEDIA, MsgType: 'hologram' })), 'media media-1', 'a type of a later time');
});

test('a push with InfoType and without MsgType is accepted for every account', () => {
  assert.equal(read(xml({ InfoType: 'unauthorized', AppId: 'wx1' })), 'ignored info');
});

test('a body that resembles ciphertext is read in linear time and with a limit', () => {
  const bodies = [
    `<xml>${'<Encrypt>'.repeat(7_000)}</xml>`,
    `<xml><Encrypt>${' '.repeat(65_000)}</xml>`,
    `<xml>${'<Encrypt><![CDATA['.repeat(3_600)}</xml>`,
    `<xml>${'<Encrypt>A</Encrypt>'.repeat(3_200)}</xml>`,
    `<xml><MsgType>text</MsgType>${'<a>'.repeat(21_000)}</xml>`,
    `<xml><MsgType>text</MsgType>${'<a><![CDATA['.repeat(5_000)}</xml>`,
    `<xml><MsgType>text</MsgType><Content><![CDATA[${']]>'.repeat(21_000)}<</xml>`,
    `{"Encrypt":"${'\\u0041'.repeat(10_000)}`,
    `{${'"Encrypt":'.repeat(6_000)}`,
    `{${'"Encrypt":"a",'.repeat(4_500)}}`,
  ];
  for (const body of bodies) {
    let tookMs = Number.POSITIVE_INFINITY;
    for (let again = 0; again < 5; again++) {
      const startedMs = performance.now();
      read(body, { ...plainQuery(), msg_signature: 'a'.repeat(40) });
      tookMs = Math.min(tookMs, performance.now() - startedMs);
    }
    assert.ok(tookMs < 50, `${Math.round(tookMs)} ms for ${body.slice(0, 40)}`);
  }
});
