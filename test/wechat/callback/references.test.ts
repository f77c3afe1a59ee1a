/** The references of each type of message. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idOf, referenceSchema } from '../../../src/media.ts';
import type { CallbackResult } from '../../../src/wechat/callback/read-callback.ts';
import { COMMON, IMAGE, outcomeOf, plain, safe } from './setup.ts';
import { APP_ID, xml } from './vectors.ts';

test('an image message becomes a reference in plain and safe mode, in XML and JSON', () => {
  const expected: CallbackResult = {
    kind: 'media',
    messageType: 'image',
    references: [{ ...COMMON, kind: 'image', mediaId: IMAGE.MediaId, picUrl: IMAGE.PicUrl }],
  };
  const json = JSON.stringify(IMAGE).replace('"22800264023876468"', '22800264023876468');
  assert.deepEqual(plain(xml(IMAGE)), expected);
  assert.deepEqual(plain(json), expected);
  assert.deepEqual(safe(xml(IMAGE)), expected);
  assert.deepEqual(safe(json), expected);
  assert.deepEqual(safe(xml(IMAGE), { requireEncryption: true }), expected);
});

test('a 64-bit MsgId keeps all its digits in JSON', () => {
  const result = plain('{"MsgType":"image","MediaId":"a","MsgId":6074746557628292943}');
  assert.equal(result.kind === 'media' && result.references[0]!.msgId, '6074746557628292943');
});

test('a voice message with a 16 kHz copy becomes two references', () => {
  const result = plain(
    `<?xml version="1.0" encoding="UTF-8"?>
     <xml> <!-- as documented -->
       <FromUserName><![CDATA[fromUser]]></FromUserName><CreateTime>1357290913</CreateTime>
       <MsgType>voice</MsgType><MediaId><![CDATA[media_id]]></MediaId><Format><![CDATA[amr]]></Format>
       <MsgId>1234567890123456</MsgId><Idx/>
       <MediaId16K><![CDATA[media_id_16k]]></MediaId16K>
     </xml>`,
  );
  const shared = {
    account: APP_ID,
    openId: 'fromUser',
    msgId: '1234567890123456',
    sentAt: new Date('2013-01-04T09:15:13Z'),
  };
  const parentId = idOf(APP_ID, 'media_id');
  assert.deepEqual(result.kind === 'media' && result.references, [
    { ...shared, kind: 'voice', mediaId: 'media_id' },
    { ...shared, kind: 'voice', mediaId: 'media_id_16k', variant: '16k', parentId },
  ]);
});

test('the recognised text of a voice is kept, in plain and safe mode, in XML and JSON', () => {
  const { PicUrl: _, ...rest } = IMAGE;
  const voice = { ...rest, MsgType: 'voice', Format: 'amr', Recognition: '  你好，发票开好了吗？👋 ' };
  const expected = { ...COMMON, kind: 'voice', mediaId: IMAGE.MediaId, text: '你好，发票开好了吗？👋' };
  for (const read of [plain, safe]) {
    for (const body of [xml(voice), JSON.stringify(voice)]) {
      const result = read(body);
      assert.deepEqual(result.kind === 'media' && result.references, [expected]);
    }
  }
  const both = plain(xml({ ...voice, MediaId16K: 'copy' }));
  assert.deepEqual(both.kind === 'media' && both.references.map(({ text }) => text), [
    expected.text,
    undefined,
  ]);
  const { MediaId: __, ...without } = voice;
  const only16k = plain(xml({ ...without, MediaId16K: 'copy' }));
  assert.equal(only16k.kind === 'media' && only16k.references[0]!.text, expected.text);
});

test('an empty recognised text is absent, a long one is cut at a whole character', () => {
  const textOf = (Recognition: string) => {
    const result = plain(JSON.stringify({ MsgType: 'voice', MediaId: 'v', Recognition }));
    assert.ok(result.kind === 'media');
    referenceSchema.parse({ ...result.references[0]!, sentAt: undefined });
    return result.references[0]!.text;
  };
  assert.equal(textOf(''), undefined);
  assert.equal(textOf(' \0 '), undefined);
  assert.equal(textOf(`a${'🎉'.repeat(2500)}`), `a${'🎉'.repeat(1999)}`);
  assert.equal(textOf('x'.repeat(30_000)), 'x'.repeat(2000));
  assert.equal(textOf('a\ud800b'), 'a\ufffdb');
});

test('video and shortvideo messages become two references, with their thumb', () => {
  for (const MsgType of ['video', 'shortvideo'] as const) {
    const { PicUrl: _, ...rest } = IMAGE;
    const result = safe(xml({ ...rest, MsgType, ThumbMediaId: 'thumb-1' }));
    assert.deepEqual(result.kind === 'media' && result.references, [
      { ...COMMON, kind: MsgType, mediaId: IMAGE.MediaId },
      { ...COMMON, kind: 'thumb', mediaId: 'thumb-1', parentId: idOf(APP_ID, IMAGE.MediaId) },
    ]);
  }
});

test('a mini program page becomes a reference of its thumb only', () => {
  const result = plain(xml({ MsgType: 'miniprogrampage', ThumbMediaId: 'thumb-1' }));
  assert.deepEqual(result.kind === 'media' && result.references, [
    { account: APP_ID, kind: 'thumb', mediaId: 'thumb-1' },
  ]);
  assert.equal(plain(xml({ MsgType: 'miniprogrampage' })).kind, 'ignored');
  const titled = plain(xml({ MsgType: 'miniprogrampage', Title: '优惠券', ThumbMediaId: 'thumb-1' }));
  assert.equal(titled.kind === 'media' && titled.references[0]!.text, '优惠券');
});

test('a file message is recorded by its message id', () => {
  const result = plain(xml({ MsgType: 'file', MsgId: '22800264023876468', Title: 'a.pdf' }));
  assert.deepEqual(result.kind === 'media' && result.references, [
    {
      account: APP_ID,
      msgId: '22800264023876468',
      kind: 'file',
      mediaId: 'msg:22800264023876468',
      text: 'a.pdf',
    },
  ]);
});

test('messages of other types are ignored', () => {
  for (const type of ['text', 'location', 'link', 'event', 'transfer_customer_service']) {
    assert.deepEqual(plain(xml({ MsgType: type })), { kind: 'ignored', messageType: type });
  }
  const event =
    '<xml><MsgType>event</MsgType><SendPicsInfo><PicList><item><MediaId>no</MediaId></item></PicList>';
  assert.equal(plain(`${event}</SendPicsInfo></xml>`).kind, 'ignored');
  assert.deepEqual(plain(xml({ MsgType: 'Unknown Type "this"' })), { kind: 'ignored', messageType: 'other' });
});

test('an invalid optional field is left out and the item is kept', () => {
  const odd = { PicUrl: 'javascript:alert(1)', CreateTime: '15925801090000', FromUserName: 'x'.repeat(200) };
  assert.deepEqual(plain(xml({ ...IMAGE, ...odd })), {
    kind: 'media',
    messageType: 'image',
    references: [{ account: APP_ID, kind: 'image', mediaId: IMAGE.MediaId, msgId: IMAGE.MsgId }],
  });
});

test('a message without a usable media id is refused', () => {
  for (const MediaId of ['', 'x'.repeat(600), 'a\0b']) {
    assert.equal(outcomeOf(plain(xml({ ...IMAGE, MediaId }))), '400 malformed_message');
  }
  assert.equal(outcomeOf(plain(xml({ MsgType: 'file' }))), '400 malformed_message');
  assert.equal(outcomeOf(plain('<xml></xml>')), '400 malformed_message');
});
