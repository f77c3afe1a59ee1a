import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idOf } from '../../../src/media.ts';
import { parseKfMessages } from '../../../src/wechat/customer-service/kf-messages.ts';

const ACCOUNT = 'ww1-2';
const OUTER = { external_userid: 'wmUSER', msgid: 'outer', send_time: 1_615_478_585, origin: 3 };
const SHARED = {
  account: ACCOUNT,
  openId: 'wmUSER',
  msgId: 'outer',
  sentAt: new Date('2021-03-11T16:03:05Z'),
};
const line = (msgtype: string, content: unknown) => ({
  sender_name: 'Ann',
  send_time: 1_600_000_000,
  msgtype,
  msg_content: JSON.stringify(content),
});
const record = (...item: unknown[]) => ({
  ...OUTER,
  msgtype: 'merged_msg',
  merged_msg: { title: 't', item },
});
const read = (...list: unknown[]) => parseKfMessages(ACCOUNT, list);
const mediaOf = (...list: unknown[]) =>
  read(...list).references.map(({ kind, mediaId }) => `${kind} ${mediaId}`);

test('media in a forwarded record become references of the message that carries it', () => {
  const found = read(
    record(
      line('text', { text: { content: 'hi' } }),
      line('image', { image: { media_id: 'm-image' } }),
      line('file', { media_id: 'm-file' }),
      line('voice', { msgtype: 'voice', voice: { media_id: 'm-voice' } }),
      line('video', { video: JSON.stringify({ media_id: 'm-video' }) }),
      { msgtype: 'image', msg_content: { image: { media_id: 'm-object' } } },
      { msgtype: 'image', image: { media_id: 'm-beside' } },
      { msg_content: JSON.stringify({ image: { media_id: 'm-untyped' } }) },
    ),
  );
  const kinds = ['image', 'file', 'voice', 'video', 'image', 'image', 'image'];
  const ids = ['image', 'file', 'voice', 'video', 'object', 'beside', 'untyped'];
  assert.deepEqual(
    found.references,
    ids.map((id, index) => ({ ...SHARED, mediaId: `m-${id}`, kind: kinds[index], text: 't' })),
  );
  assert.deepEqual(found.skipped, [{ type: 'text', why: 'no_media' }]);
});

test('records inside records are read up to five levels', () => {
  const nested = (levels: number): ReturnType<typeof line> =>
    levels === 0
      ? line('image', { image: { media_id: 'm-deep' } })
      : line('merged_msg', { merged_msg: { title: 't', item: [nested(levels - 1)] } });
  assert.deepEqual(mediaOf(record(nested(3))), ['image m-deep']);
  const deeper = read(record(nested(4)));
  assert.deepEqual(deeper, { references: [], skipped: [{ type: 'merged_msg', why: 'too_deep' }] });
});

test('the picture of a mini program is a thumb, and that of a video has it as its parent', () => {
  const program = { title: 't', appid: 'wx1', thumb_media_id: 'm-thumb' };
  assert.deepEqual(mediaOf({ ...OUTER, msgtype: 'miniprogram', miniprogram: program }), ['thumb m-thumb']);
  assert.deepEqual(mediaOf(record(line('miniprogram', { miniprogram: program }))), ['thumb m-thumb']);
  const video = { media_id: 'm-video', thumb_media_id: 'm-thumb' };
  assert.deepEqual(read({ ...OUTER, msgtype: 'video', video }).references, [
    { ...SHARED, mediaId: 'm-video', kind: 'video' },
    { ...SHARED, mediaId: 'm-thumb', kind: 'thumb', parentId: idOf(ACCOUNT, 'm-video') },
  ]);
});

test('an unknown message type with a media id becomes a reference of a file', () => {
  assert.deepEqual(mediaOf({ ...OUTER, msgtype: 'hologram', hologram: { media_id: 'm-1' } }), ['file m-1']);
  assert.deepEqual(mediaOf({ ...OUTER, msgtype: 'link', link: { title: 't', thumb_media_id: 'm-2' } }), [
    'thumb m-2',
  ]);
});

test('skipped messages are counted by the listed types, whatever the page contains', () => {
  const odd: [message: unknown, type: string, why: string][] = [
    [null, 'other', 'unreadable'],
    [[], 'other', 'unreadable'],
    ['text', 'other', 'unreadable'],
    [{}, 'other', 'unreadable'],
    [{ msgtype: 7 }, 'other', 'unreadable'],
    [{ msgtype: '__proto__' }, 'other', 'no_media'],
    [{ msgtype: 'constructor', constructor: {} }, 'other', 'no_media'],
    [{ msgtype: 'image' }, 'image', 'unreadable'],
    [{ msgtype: 'image', image: 'x' }, 'image', 'unreadable'],
    [{ msgtype: 'image', image: {} }, 'image', 'unusable'],
    [{ msgtype: 'image', image: { media_id: '' } }, 'image', 'unusable'],
    [{ msgtype: 'image', image: { media_id: 'a\0b' } }, 'image', 'unusable'],
    [{ msgtype: 'file', file: { media_id: 7 } }, 'file', 'unusable'],
    [{ msgtype: 'location', location: { name: 'x' } }, 'location', 'no_media'],
    [{ msgtype: 'business_card', business_card: { userid: 'x' } }, 'business_card', 'no_media'],
    [{ msgtype: 'channels', channels: { title: 'x' } }, 'channels', 'no_media'],
    [{ msgtype: 'note' }, 'note', 'no_media'],
    [{ msgtype: 'merged_msg' }, 'merged_msg', 'unreadable'],
    [{ msgtype: 'merged_msg', merged_msg: { item: {} } }, 'merged_msg', 'unreadable'],
    [record(null), 'other', 'unreadable'],
    [record({ msgtype: 'image', msg_content: '{"image":{"media_id":"m' }), 'image', 'unreadable'],
    [record({ msgtype: 'image', msg_content: '[]' }), 'image', 'unreadable'],
    [record({ msg_content: '{}' }), 'other', 'unreadable'],
  ];
  for (const [message, type, why] of odd)
    assert.deepEqual(read(message), { references: [], skipped: [{ type, why }] }, JSON.stringify(message));
});

test('a media id that occurs twice on a page is one reference, and invalid fields are left out', () => {
  const image = { ...OUTER, msgtype: 'image', image: { media_id: 'm-1' } };
  assert.deepEqual(mediaOf(image, record(line('image', { image: { media_id: 'm-1' } }))), ['image m-1']);
  const odd = { ...image, external_userid: 'x'.repeat(500), msgid: 7, send_time: 'soon' };
  assert.deepEqual(read(odd).references, [{ account: ACCOUNT, mediaId: 'm-1', kind: 'image' }]);
});

test('a forwarded item has the title of its card, else that of the record around it', () => {
  const card = { title: '小程序', thumb_media_id: 'm-card' };
  const found = read(
    { ...OUTER, msgtype: 'miniprogram', miniprogram: { ...card, thumb_media_id: 'm-plain' } },
    record(
      line('image', { image: { media_id: 'm-image' } }),
      line('miniprogram', { miniprogram: card }),
      line('merged_msg', {
        merged_msg: { title: '群聊的聊天记录', item: [line('file', { file: { media_id: 'm-inner' } })] },
      }),
    ),
    { ...OUTER, msgtype: 'image', image: { media_id: 'm-untitled' } },
  );
  assert.deepEqual(Object.fromEntries(found.references.map(({ mediaId, text }) => [mediaId, text])), {
    'm-plain': '小程序',
    'm-image': 't',
    'm-card': '小程序',
    'm-inner': '群聊的聊天记录',
    'm-untitled': undefined,
  });
});
