import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  contentDispositionOf,
  metadataOf,
  readMetadata,
} from '../../../src/storage/upload/object-headers.ts';

test('a content disposition is ASCII for any file name', () => {
  assert.equal(contentDispositionOf('attachment'), 'attachment');
  assert.equal(contentDispositionOf('inline', 'a.jpg'), 'inline; filename=a.jpg');
  assert.equal(
    contentDispositionOf('attachment', '报告"2".pdf'),
    `attachment; filename="__\\"2\\".pdf"; filename*=UTF-8''%E6%8A%A5%E5%91%8A%222%22.pdf`,
  );
  for (const name of ['../../etc/passwd', 'a\r\nx: y', '\u0000', '\ud800', '😀'.repeat(500), 'é%41.jpg']) {
    const value = contentDispositionOf('attachment', name);
    assert.match(value, /^[\x20-\x7e]+$/);
    assert.doesNotMatch(value, /\//);
    assert.ok(value.length < 3_000);
  }
});

test('metadata is read back as it was written, under lower-case names', () => {
  const sent = metadataOf({ mediaId: '照 片/1%', empty: '' });
  assert.deepEqual(sent, { 'wma-mediaid': '%E7%85%A7%20%E7%89%87%2F1%25', 'wma-empty': '' });
  const headers = Object.fromEntries(
    Object.entries(sent).map(([name, value]) => [`x-amz-meta-${name}`, value]),
  );
  assert.deepEqual(readMetadata({ ...headers, 'x-amz-meta-else': '1', etag: '"x"' }), {
    mediaid: '照 片/1%',
    empty: '',
  });
  assert.deepEqual(readMetadata({ 'x-amz-meta-wma-a': '%zz' }), { a: '%zz' });
});
