import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ID_PATTERN, idOf, objectKeyOf, referenceSchema } from '../src/media.ts';

describe('the id of a media item', () => {
  // Computed with: printf 'ACCOUNT\0MEDIA' | sha256sum
  for (const [account, mediaId, id] of [
    ['wx1234567890abcdef', 'media-1', 'm_3f29b74f66d6711899476b2e67c4df58'],
    ['微信', 'é', 'm_7ed9d7c1b7c188f14809c50ea35ac1b1'],
  ] as const) {
    test(`of ${account} and ${mediaId} is the one that any language computes`, () => {
      assert.equal(idOf(account, mediaId), id);
      assert.match(id, ID_PATTERN);
    });
  }

  test('depends on where the account ends and the media id begins', () => {
    assert.notEqual(idOf('ab', 'c'), idOf('a', 'bc'));
  });

  test('has a fixed form', () => {
    for (const wrong of ['m_123', `m_${'A'.repeat(32)}`, `m_${'a'.repeat(33)}`, `x m_${'a'.repeat(32)}`]) {
      assert.doesNotMatch(wrong, ID_PATTERN);
    }
  });
});

describe('the key of an object', () => {
  const media = {
    prefix: 'in/',
    account: 'wx1',
    sentAt: new Date('2026-03-01T00:30:00+08:00'),
    id: idOf('wx1', 'a'),
    source: 'media_get',
    extension: 'jpg',
  } as const;

  test('lies under prefix, account and the UTC day it was sent', () => {
    assert.equal(objectKeyOf(media), `in/wx1/2026/02/28/${media.id}.jpg`);
  });

  test('is the same for the same bytes from the voice and video routes, another for pic_url', () => {
    assert.equal(objectKeyOf({ ...media, source: 'video_url' }), objectKeyOf(media));
    assert.equal(objectKeyOf({ ...media, source: 'pic_url' }), `in/wx1/2026/02/28/${media.id}-pic.jpg`);
  });
});

describe('a reference', () => {
  const good = { account: 'wx1', mediaId: 'a', kind: 'image' };
  const full = {
    ...good,
    variant: '16k',
    parentId: 'm_1',
    openId: 'o1',
    msgId: '12345678901234567890',
    sentAt: '2026-03-01T08:00:00+08:00',
    picUrl: 'http://mmbiz.qpic.cn/a',
    labels: { shop: '七' },
  };

  test('is accepted with the three required fields, and with all', () => {
    assert.deepEqual(referenceSchema.parse(good), good);
    assert.deepEqual(referenceSchema.parse(full), { ...full, sentAt: new Date('2026-03-01T00:00:00Z') });
  });

  const labels = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`label${index}`, 'x']));

  test('carries up to eight labels', () => {
    assert.ok(referenceSchema.safeParse({ ...good, labels: labels(8) }).success);
  });

  for (const [what, field, value] of [
    ['no account', 'account', undefined],
    ['an empty media id', 'mediaId', ''],
    ['a media id without end', 'mediaId', 'a'.repeat(513)],
    ['a media id that is a number', 'mediaId', 12],
    ['NUL, which Postgres refuses', 'mediaId', 'a\0b'],
    ['half a character', 'openId', 'a\ud800'],
    ['an unknown kind', 'kind', 'location'],
    ['an unknown variant', 'variant', '8k'],
    ['a msgId as a number, which would lose digits', 'msgId', 1234567890123456],
    ['a time without its zone', 'sentAt', '2026-03-01T08:00:00'],
    ['a time in words', 'sentAt', 'yesterday'],
    ['a picture link to a file', 'picUrl', 'file:///etc/passwd'],
    ['a picture link that is none', 'picUrl', 'mmbiz'],
    ['a ninth label', 'labels', labels(9)],
    ['a label that is a number', 'labels', { a: 1 }],
    ['an unknown field', 'status', 'archived'],
  ] as const) {
    test(`is refused with ${what}, naming the field`, () => {
      const { success, error } = referenceSchema.safeParse({ ...good, [field]: value });
      assert.equal(success, false);
      assert.ok(JSON.stringify(error?.issues).includes(`"${field}"`), JSON.stringify(error?.issues));
    });
  }
});
