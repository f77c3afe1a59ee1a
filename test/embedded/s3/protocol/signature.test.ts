/** Signatures: Amazon's published example, and what an attacker may try. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { parseTarget } from '../../../../src/embedded/s3/protocol/request-target.ts';
import { verifySignature } from '../../../../src/embedded/s3/protocol/signature.ts';
import { BUCKET, CREDENTIALS, codeOf, setup, sha256Hex } from '../s3-for-test.ts';

const EXAMPLE = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const EXAMPLE_NOW = new Date('2013-05-24T00:00:00Z');
const lists = (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
test("Amazon's example of a presigned URL is accepted during its validity only", () => {
  const url =
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
    '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
    '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';
  const head = {
    method: 'GET',
    target: parseTarget(url),
    headers: lists({ host: 'examplebucket.s3.amazonaws.com' }),
  };
  assert.equal(verifySignature(head, EXAMPLE, EXAMPLE_NOW), undefined);
  assert.throws(
    () => verifySignature(head, EXAMPLE, new Date('2013-05-25T00:00:01Z')),
    /Request has expired/,
  );
  assert.throws(() => verifySignature(head, EXAMPLE, new Date('2013-05-23T23:44:59Z')), /not yet valid/);
  for (const seconds of ['0', '604801', '99999999', '-1', '1e3']) {
    const target = parseTarget(url.replace('Expires=86400', `Expires=${seconds}`));
    assert.throws(
      () => verifySignature({ ...head, target }, EXAMPLE, EXAMPLE_NOW),
      /from 1 to 604800/,
      `${seconds} s`,
    );
  }
});

test('a valid signature without the host, for another day or with a repeated header is refused', () => {
  const sent: Record<string, string> = {
    host: 'h',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-amz-date': '20130524T000000Z',
  };
  /** Signs like a client that knows the secret and chooses what it signs. */
  const signed = (names: readonly string[], day: string) => {
    const scope = `${day}/us-east-1/s3/aws4_request`;
    const lines = names.map((name) => `${name}:${sent[name]}\n`).join('');
    const canonical = ['GET', '/k', '', lines, names.join(';'), 'UNSIGNED-PAYLOAD'].join('\n');
    const key = scope
      .split('/')
      .reduce(
        (parent, text) => createHmac('sha256', parent).update(text).digest(),
        Buffer.from(`AWS4${EXAMPLE.secretAccessKey}`),
      );
    const text = ['AWS4-HMAC-SHA256', sent['x-amz-date']!, scope, sha256Hex(canonical)].join('\n');
    const signature = createHmac('sha256', key).update(text).digest('hex');
    const authorization = `AWS4-HMAC-SHA256 Credential=${EXAMPLE.accessKeyId}/${scope},SignedHeaders=${names.join(';')},Signature=${signature}`;
    const head = { method: 'GET', target: parseTarget('/k'), headers: lists({ ...sent, authorization }) };
    return verifySignature(head, EXAMPLE, EXAMPLE_NOW);
  };
  const names = Object.keys(sent);
  assert.equal(signed(names, '20130524'), undefined);
  assert.throws(() => signed(names.slice(1), '20130524'), /host header has to be signed/);
  for (const day of ['20130523', '20130525', '20140524'])
    assert.throws(() => signed(names, day), /day is not that of the date/);
  for (const name of ['x-amz-date', 'x-amz-content-sha256']) {
    const headers = { ...lists({ ...sent, authorization: 'x' }), [name]: [sent[name]!, sent[name]!] };
    const head = { method: 'GET', target: parseTarget('/k'), headers };
    assert.throws(() => verifySignature(head, EXAMPLE, EXAMPLE_NOW), new RegExp(`${name} is given twice`));
  }
});

test('a presigned URL returns its object with the stored headers and nosniff until it expires', async (t) => {
  const { client, presign } = await setup(t);
  await client().send(
    new PutObjectCommand({
      Bucket: BUCKET,
      Key: 'a b/图.html',
      Body: 'hello',
      ContentType: 'text/html',
      ContentDisposition: 'attachment',
    }),
  );
  const path = `/${BUCKET}/a%20b/%E5%9B%BE.html`;
  const response = await fetch(await presign({ method: 'GET', path }));
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'hello');
  assert.equal(response.headers.get('content-disposition'), 'attachment');
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
  const minutes = (count: number) => new Date(Date.now() + count * 60_000);
  const get = async (at: Date, expiresIn: number) =>
    (await fetch(await presign({ method: 'GET', path, at }, expiresIn))).status;
  assert.equal(await get(minutes(-59), 3600), 200);
  assert.equal(await get(minutes(-61), 3600), 403);
  assert.equal(await get(minutes(14), 60), 200);
  assert.equal(await get(minutes(16), 3600), 403);
});

test('a presigned URL that was changed in any part is refused', async (t) => {
  const { client, presign } = await setup(t);
  await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'a', Body: 'hello' }));
  await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'b', Body: 'secret' }));
  const url = await presign({ method: 'GET', path: `/${BUCKET}/a` });
  assert.equal((await fetch(url)).status, 200);
  const changes: Record<string, string> = {
    path: url.replace('/a?', '/b?'),
    escaped: url.replace('/a?', '/x/%2e%2e/b?'),
    added: `${url}&response-content-disposition=inline`,
    twice: `${url}&X-Amz-Expires=60`,
    expires: url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'),
    tooLong: url.replace('X-Amz-Expires=60', 'X-Amz-Expires=700000'),
    noSignature: url.replace(/&?X-Amz-Signature=\w+/, ''),
    emptySignature: url.replace(/X-Amz-Signature=\w+/, 'X-Amz-Signature='),
    shortSignature: url.replace(/X-Amz-Signature=\w+/, 'X-Amz-Signature=00'),
    noHost: url.replace('X-Amz-SignedHeaders=host', 'X-Amz-SignedHeaders='),
    key: url.replace(CREDENTIALS.accessKeyId, 'SOMEONE'),
    region: url.replace('eu-test-1', 'us-east-1'),
  };
  for (const [what, changed] of Object.entries(changes)) {
    assert.notEqual(changed, url, what);
    const response = await fetch(changed);
    assert.ok([400, 403].includes(response.status), `${what}: ${response.status}`);
    assert.ok(codeOf(await response.text()), what);
  }
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 403);
  assert.equal(
    (await fetch(url, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })).status,
    403,
    'unsigned x-amz header',
  );
});

test('a request that was changed after signing, or has no signature, is refused', async (t) => {
  const { server, sign, files } = await setup(t);
  const path = `/${BUCKET}/k`;
  const body = 'hello';
  const payload = sha256Hex(body);
  const put = async (headers: Record<string, string>, more: { path?: string; body?: string } = {}) => {
    const response = await fetch(`${server.endpoint}${more.path ?? path}`, {
      method: 'PUT',
      body: more.body ?? body,
      headers,
    });
    return codeOf(await response.text()) ?? response.status;
  };
  const made = {
    method: 'PUT',
    path,
    payload,
    headers: { 'x-amz-meta-a': '1', 'content-type': 'text/plain' },
  };
  const good = await sign(made);
  const at = (minutes: number) => sign({ ...made, at: new Date(Date.now() + minutes * 60_000) });
  assert.equal(await put({}), 'AccessDenied');
  assert.equal(await put({ ...good, authorization: 'Basic abc' }), 'InvalidRequest');
  assert.equal(await put({ ...good, authorization: 'AWS4-HMAC-SHA256 x' }), 'AuthorizationHeaderMalformed');
  assert.equal(
    await put({ ...good, authorization: good.authorization!.replace(/.$/, (d) => (d === '0' ? '1' : '0')) }),
    'SignatureDoesNotMatch',
  );
  assert.equal(await put({ ...good, 'x-amz-meta-a': '2' }), 'SignatureDoesNotMatch');
  assert.equal(await put({ ...good, 'content-type': 'text/html' }), 'SignatureDoesNotMatch');
  assert.equal(await put({ ...good, 'x-amz-meta-b': '2' }), 'AccessDenied');
  assert.equal(await put(good, { path: `/${BUCKET}/other` }), 'SignatureDoesNotMatch');
  assert.equal(await put(good, { path: `${path}?partNumber=1` }), 'SignatureDoesNotMatch');
  assert.equal(await put(good, { body: 'jello' }), 'XAmzContentSHA256Mismatch');
  assert.equal(
    await put({ ...good, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, { body: 'jello' }),
    'SignatureDoesNotMatch',
  );
  assert.equal(await put(await at(-16)), 'RequestTimeTooSkewed');
  assert.equal(await put(await at(16)), 'RequestTimeTooSkewed');
  assert.deepEqual([...(await files('objects')), ...(await files('aside'))], []);
  assert.equal(await put(await at(-14)), 200);
  assert.equal(await put(good), 200);
});
