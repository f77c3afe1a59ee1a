import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FailureCode } from '../../../src/failures.ts';
import { failureOfConnection, failureOfResponse, s3ErrorCodeOf } from '../../../src/storage/http/failure.ts';

const now = new Date('2026-11-20T12:34:56Z');

test('an error response becomes the failure with the right advice', () => {
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

test('the body and the headers decide the failure where the S3 code does not', () => {
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

test('a request without a response becomes the failure with the right advice', () => {
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
    assert.match(found.failure.detail ?? '', new RegExp(`^no response: .*${code}`));
  }
});

test('an S3 error code is read only where it is one short word', () => {
  assert.equal(s3ErrorCodeOf('<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>'), 'SlowDown');
  for (const xml of ['', '<html>', '<Code>a b</Code>', `<Code>${'A'.repeat(65)}</Code>`])
    assert.equal(s3ErrorCodeOf(xml), undefined);
});

test('a refusal because of the clock names by how many seconds it is wrong', () => {
  const now = new Date('2026-05-05T12:00:00Z');
  const at = (date: string, status = 403, code?: string) =>
    failureOfResponse({ status, code, headers: { date } }, now).failure;
  const ahead = at('Fri, 01 May 2026 12:00:00 GMT', 403, 'RequestTimeTooSkewed');
  assert.equal(ahead.code, 'clock_skewed');
  assert.match(ahead.detail!, /this clock is 345600 s ahead of the store's/);
  // HEAD has no body, and some vendors respond AccessDenied: the Date header shows the skew.
  assert.equal(at('Fri, 01 May 2026 12:00:00 GMT').code, 'clock_skewed');
  assert.match(at('Tue, 05 May 2026 13:00:00 GMT', 403, 'AccessDenied').detail!, /3600 s behind the store's/);
  assert.equal(at('Tue, 05 May 2026 12:01:00 GMT', 403, 'AccessDenied').code, 'store_refused');
  assert.equal(
    at('Fri, 01 May 2026 12:00:00 GMT', 503).code,
    'store_unavailable',
    'a store that is unavailable',
  );
  assert.equal(at('no date', 403, 'RequestTimeTooSkewed').code, 'clock_skewed');
  assert.equal(at('no date', 403, 'AccessDenied').code, 'store_refused');
});
