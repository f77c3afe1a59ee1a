/** Reading the input of a producer: messages as parsers return them, and references. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idOf } from '../../src/media.ts';
import type { ProducerInput } from '../../src/producer/input.ts';
import { readInputs } from '../../src/producer/reading.ts';

const ACCOUNT = 'wx0123456789abcdef';
const read = (...inputs: unknown[]) => readInputs(inputs as ProducerInput[], ACCOUNT);
const IMAGE = {
  ToUserName: 'gh_e136c6e50636',
  FromUserName: 'o1',
  CreateTime: '1777636800',
  MsgType: 'image',
  PicUrl: 'http://mmbiz.qpic.cn/a/0',
  MediaId: 'media-1',
  MsgId: '22800264023876468',
};
const REFERENCE = {
  account: ACCOUNT,
  openId: 'o1',
  msgId: '22800264023876468',
  sentAt: new Date('2026-05-01T12:00:00Z'),
  kind: 'image',
  mediaId: 'media-1',
  picUrl: 'http://mmbiz.qpic.cn/a/0',
};

test('a message gives the same reference as the callback would', () => {
  assert.deepEqual(read(IMAGE), [REFERENCE]);
});

test('numbers of JSON and arrays of xml2js are read as text', () => {
  const wrapped = Object.fromEntries(Object.entries(IMAGE).map(([name, value]) => [name, [value]]));
  assert.deepEqual(read(wrapped), [REFERENCE]);
  assert.deepEqual(read({ ...IMAGE, CreateTime: 1_777_636_800, MsgId: 22800264023876468n }), [REFERENCE]);
});

test('a MsgId that JSON.parse has rounded is left out', () => {
  const [reference] = read({ ...IMAGE, MsgId: Number('22800264023876468') });
  assert.equal(reference?.msgId, undefined);
  assert.equal(reference?.mediaId, 'media-1');
});

test('a video includes its thumb, a voice its 16K variant', () => {
  const parentId = idOf(ACCOUNT, 'v');
  assert.deepEqual(read({ MsgType: 'video', MediaId: 'v', ThumbMediaId: 't' }), [
    { account: ACCOUNT, kind: 'video', mediaId: 'v' },
    { account: ACCOUNT, kind: 'thumb', mediaId: 't', parentId },
  ]);
  assert.deepEqual(read({ MsgType: 'voice', MediaId: 'v', MediaId16K: 'w' })[1], {
    account: ACCOUNT,
    kind: 'voice',
    mediaId: 'w',
    variant: '16k',
    parentId,
  });
});

test('the recognised text of a voice and the text of a reference are kept', () => {
  assert.equal(read({ MsgType: 'voice', MediaId: 'v', Recognition: '你好' })[0]?.text, '你好');
  assert.equal(read({ mediaId: 'v', kind: 'voice', text: '你好' })[0]?.text, '你好');
  assert.throws(() => read({ mediaId: 'v', kind: 'voice', text: '好'.repeat(2001) }), /text: /);
});

test('messages without media give no references', () => {
  assert.deepEqual(read({ MsgType: 'text', Content: 'hi' }, { MsgType: 'event', Event: 'CLICK' }), []);
});

test('a reference may omit its account, and its time is a Date or text', () => {
  for (const sentAt of [REFERENCE.sentAt, REFERENCE.sentAt.toISOString(), '2026-05-01T20:00:00+08:00']) {
    assert.deepEqual(read({ ...REFERENCE, account: undefined, sentAt }), [REFERENCE]);
  }
  assert.equal(read({ mediaId: 'm', kind: 'file', account: 'wx-another' })[0]?.account, 'wx-another');
});

for (const [input, message] of [
  [{ MsgType: 'image' }, /without its media id/],
  [{ MsgType: 'image', MediaId: 'a\0b' }, /invalid media id/],
  [{ MediaId: 'media-1' }, /no MsgType/],
  [{ mediaId: 'a', kind: 'gif' }, /kind: /],
  [{ mediaId: 'a', kind: 'image', colour: 'red' }, /colour/],
  [{ mediaId: 'a', kind: 'image', sentAt: new Date(Number.NaN) }, /sentAt: /],
  [null, /neither a message/],
  ['media-1', /neither a message/],
] as const) {
  test(`refuses ${JSON.stringify(input)}`, () => {
    assert.throws(() => read(input), { name: 'ProducerError', code: 'invalid', message });
    assert.throws(() => read(IMAGE, input), { code: 'invalid', message: /item 1: / });
  });
}

test('refuses more than 500 inputs at once', () => {
  assert.throws(() => read(...Array.from({ length: 501 }, () => IMAGE)), { code: 'invalid' });
});
