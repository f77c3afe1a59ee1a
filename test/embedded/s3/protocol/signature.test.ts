/** Signatures: Amazon's published examples, and everything a stranger may try. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { createChecksum } from '../../../../src/embedded/s3/protocol/checksums.ts';
import { decodeChunked } from '../../../../src/embedded/s3/protocol/chunked-body.ts';
import { parseTarget } from '../../../../src/embedded/s3/protocol/request-target.ts';
import { signLines, verifySignature } from '../../../../src/embedded/s3/protocol/signature.ts';
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
test("Amazon's example of a presigned URL is accepted, and no other hour", () => {
  const url =
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request' +
    '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
    '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';
  const head = {
    method: 'GET',
    target: parseTarget(url),
    headers: lists({ host: 'examplebucket.s3.amazonaws.com' }),
  };
  assert.deepEqual(verifySignature(head, EXAMPLE, EXAMPLE_NOW), { kind: 'unsigned' });
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

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
for (const example of [
  {
    payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    chunks: [
      'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
    ],
    trailer: '',
  },
  {
    payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    signature: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    chunks: [
      'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
      '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
      '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
    ],
    trailer:
      'x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n',
  },
]) {
  const open = (changed: (body: string) => string = (body) => body) => {
    const headers: Record<string, string> = {
      'content-encoding': 'aws-chunked',
      host: 's3.amazonaws.com',
      'x-amz-content-sha256': example.payload,
      'x-amz-date': '20130524T000000Z',
      'x-amz-decoded-content-length': '66560',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      ...(example.trailer ? { 'x-amz-trailer': 'x-amz-checksum-crc32c' } : { 'content-length': '66824' }),
    };
    const signed = Object.keys(headers).sort().join(';');
    headers.authorization = `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signed},Signature=${example.signature}`;
    const target = parseTarget('/examplebucket/chunkObject.txt');
    const payload = verifySignature({ method: 'PUT', target, headers: lists(headers) }, EXAMPLE, EXAMPLE_NOW);
    assert.ok(payload.kind === 'chunked' && payload.signing);
    const [first, second, last] = example.chunks;
    const body =
      `10000;chunk-signature=${first}\r\n${'a'.repeat(65536)}\r\n400;chunk-signature=${second}\r\n${'a'.repeat(1024)}\r\n` +
      `0;chunk-signature=${last}\r\n${example.trailer}\r\n`;
    const trailers = new Map<string, string>();
    const pieces = changed(body)
      .match(/[\s\S]{1,1000}/g)!
      .map((piece) => Buffer.from(piece, 'latin1'));
    const source = (async function* () {
      yield* pieces;
    })();
    const decode = async () => {
      const chunks: Buffer[] = [];
      for await (const bytes of decodeChunked(source, { ...payload, trailers })) chunks.push(bytes);
      return chunks;
    };
    return { bytes: decode(), trailers };
  };

  test(`Amazon's example of ${example.payload} is taken apart and proven`, async () => {
    const { bytes, trailers } = open();
    const content = Buffer.concat(await bytes);
    assert.equal(content.toString(), 'a'.repeat(66560));
    if (!example.trailer) return;
    const checksum = createChecksum('x-amz-checksum-crc32c');
    checksum.update(content);
    assert.equal(trailers.get('x-amz-checksum-crc32c'), checksum.digest());
  });

  test(`${example.payload} is refused wherever it is spoilt`, async () => {
    const refused = (changed: (body: string) => string) =>
      assert.rejects(open(changed).bytes, { name: 'S3Error' });
    await refused((body) => body.replace('aaab', 'aaaa').replace('aaaa', 'aaab'));
    await refused((body) => body.replace(example.chunks[1]!, example.chunks[0]!));
    await refused((body) => body.replace(/;chunk-signature=[0-9a-f]+/, ''));
    await refused((body) => body.replace(/\r\n0;chunk-signature=.*$/s, ''));
    await refused((body) => body.slice(0, -2));
    await refused((body) => `${body}more`);
    await refused((body) => body.replace('\r\n400;', '\r\nxyz;'));
    await refused((body) => `${'0'.repeat(5000)}${body}`);
    await refused(() => `10000;${'x'.repeat(100_000)}`);
    if (example.trailer) await refused((body) => body.replace('sOO8', 'sOO9'));
    if (example.trailer) await refused((body) => body.replace(/x-amz-trailer-signature:\w+\r\n/, ''));
  });
}

test('a true signature is refused where it leaves out the host, is of another day or says a thing twice', () => {
  const sent: Record<string, string> = {
    host: 'h',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-amz-date': '20130524T000000Z',
  };
  /** What a client sends that knows the secret and signs what it likes. */
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
    const text = ['AWS4-HMAC-SHA256', sent['x-amz-date']!, scope, sha256Hex(canonical)];
    const authorization = `AWS4-HMAC-SHA256 Credential=${EXAMPLE.accessKeyId}/${scope},SignedHeaders=${names.join(';')},Signature=${signLines(key, text)}`;
    const head = { method: 'GET', target: parseTarget('/k'), headers: lists({ ...sent, authorization }) };
    return verifySignature(head, EXAMPLE, EXAMPLE_NOW);
  };
  const names = Object.keys(sent);
  assert.deepEqual(signed(names, '20130524'), { kind: 'unsigned' });
  assert.throws(() => signed(names.slice(1), '20130524'), /host header has to be signed/);
  for (const day of ['20130523', '20130525', '20140524'])
    assert.throws(() => signed(names, day), /day is not that of the date/);
  for (const name of ['x-amz-date', 'x-amz-content-sha256']) {
    const headers = { ...lists({ ...sent, authorization: 'x' }), [name]: [sent[name]!, sent[name]!] };
    const head = { method: 'GET', target: parseTarget('/k'), headers };
    assert.throws(() => verifySignature(head, EXAMPLE, EXAMPLE_NOW), new RegExp(`${name} is given twice`));
  }
});

test('a presigned URL gives its object, with the stored disposition and nosniff, until it expires', async (t) => {
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
  const answer = await fetch(await presign({ method: 'GET', path }));
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'hello');
  assert.equal(answer.headers.get('content-disposition'), 'attachment');
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  const renamed = await fetch(
    await presign({
      method: 'GET',
      path,
      query: { 'response-content-disposition': `attachment; filename="x y.html"` },
    }),
  );
  assert.equal(renamed.headers.get('content-disposition'), 'attachment; filename="x y.html"');

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
  const url = await presign({
    method: 'GET',
    path: `/${BUCKET}/a`,
    query: { 'response-content-type': 'text/plain' },
  });
  assert.equal((await fetch(url)).status, 200);
  const changes: Record<string, string> = {
    path: url.replace('/a?', '/b?'),
    escaped: url.replace('/a?', '/x/%2e%2e/b?'),
    override: url.replace('text%2Fplain', 'text%2Fhtml'),
    added: `${url}&response-content-disposition=inline`,
    twice: `${url}&response-content-type=text%2Fhtml`,
    expires: url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'),
    forever: url.replace('X-Amz-Expires=60', 'X-Amz-Expires=700000'),
    noSignature: url.replace(/&?X-Amz-Signature=\w+/, ''),
    emptySignature: url.replace(/X-Amz-Signature=\w+/, 'X-Amz-Signature='),
    shortSignature: url.replace(/X-Amz-Signature=\w+/, 'X-Amz-Signature=00'),
    noHost: url.replace('X-Amz-SignedHeaders=host', 'X-Amz-SignedHeaders='),
    key: url.replace(CREDENTIALS.accessKeyId, 'SOMEONE'),
    region: url.replace('eu-test-1', 'us-east-1'),
  };
  for (const [what, changed] of Object.entries(changes)) {
    assert.notEqual(changed, url, what);
    const answer = await fetch(changed);
    assert.ok([400, 403].includes(answer.status), `${what}: ${answer.status}`);
    assert.ok(codeOf(await answer.text()), what);
  }
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 403);
  assert.equal(
    (await fetch(url, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })).status,
    403,
    'unsigned x-amz header',
  );
});

test('a request that was changed after signing is refused, and so is one without a signature', async (t) => {
  const { server, sign, files } = await setup(t);
  const path = `/${BUCKET}/k`;
  const body = 'hello';
  const payload = sha256Hex(body);
  const put = async (headers: Record<string, string>, more: { path?: string; body?: string } = {}) => {
    const answer = await fetch(`${server.endpoint}${more.path ?? path}`, {
      method: 'PUT',
      body: more.body ?? body,
      headers,
    });
    return codeOf(await answer.text()) ?? answer.status;
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
