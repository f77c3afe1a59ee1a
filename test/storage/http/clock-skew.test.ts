import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FailureCode, failure } from '../../../src/failures.ts';
import { createAddress } from '../../../src/storage/http/address.ts';
import {
  codeOf,
  failureOfConnection,
  failureOfResponse,
  parseRetryAfter,
} from '../../../src/storage/http/failure.ts';
import { decideRetryDelayMs } from '../../../src/storage/http/quick-retry.ts';
import { decideWindow } from '../../../src/storage/links.ts';
import { dispositionOf, metadataOf, readMetadata } from '../../../src/storage/upload/object-headers.ts';
import { type Part, partsOf } from '../../../src/storage/upload/parts.ts';
import { sha256 } from '../setup.ts';

const now = new Date('2026-11-20T12:34:56Z');

test('a link is signed at the start of its window and outlives half its time', () => {
  for (const ttlMs of [60_000, 3_600_000, 86_400_000, 7 * 86_400_000]) {
    for (const offsetMs of [0, 1, ttlMs / 2 - 1, ttlMs / 2, ttlMs - 1]) {
      const at = new Date(now.getTime() + offsetMs);
      const { signedAt, expiresInSeconds } = decideWindow(at, ttlMs);
      const leftMs = signedAt.getTime() + expiresInSeconds * 1000 - at.getTime();
      assert.ok(signedAt <= at);
      assert.ok(leftMs >= ttlMs / 2 && leftMs <= ttlMs, `${leftMs} of ${ttlMs}`);
    }
  }
  const inside = [1, 1_799_999].map((ms) => decideWindow(new Date(1_800_000 * 7 + ms), 3_600_000));
  assert.deepEqual(inside[0], inside[1]);
  assert.equal(decideWindow(now, 30 * 86_400_000).expiresInSeconds, 7 * 86_400);
});

test('the bucket stands where the addressing puts it', () => {
  const at = (addressing: 'virtual' | 'path' | 'cname', endpoint: string) => {
    const address = createAddress({ endpoint, bucket: 'media', addressing });
    return address.origin + address.pathOf("wx1/a b+'!.jpg");
  };
  assert.equal(at('path', 'http://10.0.0.1:9000'), 'http://10.0.0.1:9000/media/wx1/a%20b%2B%27%21.jpg');
  assert.equal(at('path', 'https://host/s3/'), 'https://host/s3/media/wx1/a%20b%2B%27%21.jpg');
  assert.equal(at('virtual', 'https://cos.x.com'), 'https://media.cos.x.com/wx1/a%20b%2B%27%21.jpg');
  assert.equal(at('cname', 'https://img.me.cn'), 'https://img.me.cn/wx1/a%20b%2B%27%21.jpg');
});

test('an answer becomes the failure whose cure fits', () => {
  const cases: readonly [number, string | undefined, FailureCode][] = [
    [403, 'AccessDenied', 'store_refused'],
    [404, 'NoSuchBucket', 'store_bucket_missing'],
    [301, 'PermanentRedirect', 'store_elsewhere'],
    [500, 'InternalError', 'store_unavailable'],
    [503, undefined, 'store_unavailable'],
    [429, undefined, 'store_unavailable'],
    [400, 'XAmzContentSHA256Mismatch', 'store_unavailable'],
    [404, 'NoSuchUpload', 'store_unavailable'],
    [507, 'InsufficientStorage', 'disk_full'],
    [507, 'XMinioStorageFull', 'store_full'],
    [403, 'QuotaExceeded', 'store_full'],
    [403, 'InvalidAccessKeyId', 'store_key_unknown'],
    [403, 'SignatureDoesNotMatch', 'store_secret_wrong'],
    [400, 'ExpiredToken', 'store_session_ended'],
    [403, 'InvalidSecurityToken', 'store_session_ended'],
    [400, 'AuthorizationHeaderMalformed', 'store_elsewhere'],
    [403, 'SecondLevelDomainForbidden', 'store_addressing'],
    [403, 'UserDisable', 'store_suspended'],
    [400, 'EntityTooLarge', 'store_body_refused'],
    [413, undefined, 'store_body_refused'],
    [400, 'EntityTooSmall', 'store_refused'],
    [501, 'NotImplemented', 'store_refused'],
    [302, undefined, 'store_not_s3'],
    [401, undefined, 'store_not_s3'],
  ];
  for (const [status, code, expected] of cases) {
    const { failure: found } = failureOfResponse({ status, code }, now);
    assert.deepEqual(
      [found.code, found.detail],
      [expected, code ? `HTTP ${status} ${code}` : `HTTP ${status}`],
    );
  }
});

test('the body and the headers of an answer tell where the code does not', () => {
  const code = (status: number, text: string, headers = {}) =>
    failureOfResponse({ status, headers, body: Buffer.from(text) }, now).failure.code;
  const elsewhere =
    '<Error><Code>AccessDenied</Code><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>';
  assert.equal(code(403, elsewhere), 'store_elsewhere');
  assert.equal(code(301, '', { 'x-amz-bucket-region': 'eu-west-1' }), 'store_elsewhere');
  assert.equal(code(403, '<html><body>Forbidden</body></html>'), 'store_not_s3');
  assert.equal(code(404, '404 page not found\n'), 'store_not_s3');
  assert.equal(code(400, '{"error":"not found"}'), 'store_not_s3');
  assert.equal(code(502, '<html>Bad Gateway</html>'), 'store_unavailable');
  assert.equal(code(413, '<html>Request Entity Too Large</html>'), 'store_body_refused');
  assert.equal(code(403, ''), 'store_refused');
  assert.equal(code(403, '', { 'x-minio-error-code': 'InvalidAccessKeyId' }), 'store_key_unknown');
});

test('a request without an answer becomes the failure whose cure fits', () => {
  const cases = {
    ENOTFOUND: 'store_host_unknown',
    EAI_AGAIN: 'store_host_unknown',
    ECONNREFUSED: 'store_unreachable',
    UND_ERR_CONNECT_TIMEOUT: 'store_unreachable',
    SELF_SIGNED_CERT_IN_CHAIN: 'store_tls',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'store_tls',
    CERT_HAS_EXPIRED: 'store_tls',
    ERR_TLS_CERT_ALTNAME_INVALID: 'store_tls',
    ERR_SSL_WRONG_VERSION_NUMBER: 'store_tls',
    HPE_INVALID_CONSTANT: 'store_not_s3',
    ECONNRESET: 'store_unavailable',
    UND_ERR_SOCKET: 'store_unavailable',
  };
  for (const [code, expected] of Object.entries(cases)) {
    const found = failureOfConnection(Object.assign(new Error('at 10.0.0.1'), { code }));
    assert.equal(found.failure.code, expected);
    assert.match(found.failure.detail ?? '', new RegExp(`^no answer: .*${code}`));
  }
});

test('an error code is a word, or nothing', () => {
  assert.equal(codeOf('<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>'), 'SlowDown');
  for (const xml of ['', '<html>', '<Code>a b</Code>', `<Code>${'A'.repeat(65)}</Code>`])
    assert.equal(codeOf(xml), undefined);
});

test('Retry-After is read as seconds and as a date, and bounded', () => {
  assert.equal(parseRetryAfter('3', now), 3_000);
  assert.equal(parseRetryAfter('Fri, 20 Nov 2026 12:35:06 GMT', now), 10_000);
  assert.equal(parseRetryAfter('Fri, 20 Nov 2020 12:35:06 GMT', now), 0);
  assert.equal(parseRetryAfter('999999999', now), 3_600_000);
  assert.equal(parseRetryAfter('soon', now), undefined);
});

test('only what passes by itself is repeated, twice, and never for longer than seconds', () => {
  const passing = failure('store_unavailable');
  assert.equal(
    decideRetryDelayMs(passing, 1, () => 0.5),
    50,
  );
  assert.equal(
    decideRetryDelayMs(passing, 2, () => 0.5),
    100,
  );
  assert.equal(
    decideRetryDelayMs(passing, 3, () => 0.5),
    undefined,
  );
  assert.equal(
    decideRetryDelayMs(failure('store_unavailable', '', { retryAfterMs: 1_000 }), 1, () => 0),
    1_000,
  );
  assert.equal(
    decideRetryDelayMs(failure('store_unavailable', '', { retryAfterMs: 9_000 }), 1, () => 0),
    undefined,
  );
  assert.equal(
    decideRetryDelayMs(failure('store_refused'), 1, () => 0),
    undefined,
  );
  assert.equal(
    decideRetryDelayMs(new Error('x'), 1, () => 0),
    undefined,
  );
});

test('headers are ASCII whatever a file is called', () => {
  assert.equal(dispositionOf('attachment'), 'attachment');
  assert.equal(dispositionOf('inline', 'a.jpg'), 'inline; filename=a.jpg');
  assert.equal(
    dispositionOf('attachment', '报告"2".pdf'),
    `attachment; filename="__\\"2\\".pdf"; filename*=UTF-8''%E6%8A%A5%E5%91%8A%222%22.pdf`,
  );
  for (const name of ['../../etc/passwd', 'a\r\nx: y', '\u0000', '\ud800', '😀'.repeat(500), 'é%41.jpg']) {
    const value = dispositionOf('attachment', name);
    assert.match(value, /^[\x20-\x7e]+$/);
    assert.doesNotMatch(value, /\//);
    assert.ok(value.length < 3_000);
  }
});

test('metadata comes back as it went in, under lower-case names', () => {
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

test('parts are of equal size but for the last, which is never empty, and carry their own hash', async () => {
  const body = Buffer.from('abcdefghij');
  for (const chunkBytes of [1, 2, 3, 4, 5, 9, 10]) {
    for (const partSizeBytes of [1, 3, 4, 5, 10, 11]) {
      async function* chunks() {
        for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
      }
      const parts: Part[] = [];
      for await (const part of partsOf(chunks(), partSizeBytes)) parts.push(part);
      const found = parts.map((part) => Buffer.concat(part.chunks));
      assert.deepEqual(Buffer.concat(found), body);
      assert.equal(parts.length, Math.ceil(body.length / partSizeBytes));
      for (const [index, part] of parts.entries()) {
        const last = index === parts.length - 1;
        assert.deepEqual([part.number, part.last], [index + 1, last]);
        assert.equal(part.sha256, sha256(found[index]!));
        if (!last) assert.equal(found[index]!.length, partSizeBytes);
      }
    }
  }
});

test('a refusal for the time says by how many seconds the clock is wrong', () => {
  const now = new Date('2026-05-05T12:00:00Z');
  const at = (date: string, status = 403, code?: string) =>
    failureOfResponse({ status, code, headers: { date } }, now).failure;
  const ahead = at('Fri, 01 May 2026 12:00:00 GMT', 403, 'RequestTimeTooSkewed');
  assert.equal(ahead.code, 'clock_skewed');
  assert.match(ahead.detail!, /this clock is 345600 s ahead of the store's/);
  // HEAD has no body, and some vendors say AccessDenied: the Date tells.
  assert.equal(at('Fri, 01 May 2026 12:00:00 GMT').code, 'clock_skewed');
  assert.match(at('Tue, 05 May 2026 13:00:00 GMT', 403, 'AccessDenied').detail!, /3600 s behind the store's/);
  assert.equal(at('Tue, 05 May 2026 12:01:00 GMT', 403, 'AccessDenied').code, 'store_refused');
  assert.equal(at('Fri, 01 May 2026 12:00:00 GMT', 503).code, 'store_unavailable', 'a store in trouble');
  assert.equal(at('no date', 403, 'RequestTimeTooSkewed').code, 'clock_skewed');
  assert.equal(at('no date', 403, 'AccessDenied').code, 'store_refused');
});
