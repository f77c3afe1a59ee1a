/** Hand-made requests over bare sockets: a body that is not proven never becomes an object. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { BUCKET, CREDENTIALS, codeOf, setup, sha256Hex } from './s3-for-test.ts';

const path = `/${BUCKET}/k`;
const statusOf = (answer: string) => Number(answer.slice(9, 12));
type Bench = Awaited<ReturnType<typeof setup>>;

async function nothingStored({ files }: Bench) {
  assert.deepEqual([...(await files('objects')), ...(await files('aside'))], []);
}

test('a short, long, lengthless or lying body never becomes an object', async (t) => {
  const bench = await setup(t);
  const { sign, raw, head } = bench;
  const put = async (
    headers: Record<string, string>,
    pieces: readonly string[],
    payload = 'UNSIGNED-PAYLOAD',
    hangUp = false,
  ) => {
    const signed = await sign({ method: 'PUT', path, payload, headers });
    const answer = await raw([head('PUT', path, signed), ...pieces], { hangUp });
    return codeOf(answer) ?? statusOf(answer);
  };
  const chunked = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  const decoded = (length: number, trailer = 'x-amz-checksum-crc32') => ({
    'x-amz-decoded-content-length': String(length),
    'x-amz-trailer': trailer,
  });
  const whole = '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n';
  const framed = (body: string, length = 5, trailer?: string) =>
    [{ ...decoded(length, trailer), 'content-length': String(body.length) }, [body], chunked] as const;

  assert.notEqual(await put({ 'content-length': '10' }, ['hello'], undefined, true), 200);
  assert.equal(await put({}, []), 'MissingContentLength');
  assert.equal(
    await put({ 'transfer-encoding': 'chunked' }, ['5\r\nhello\r\n0\r\n\r\n']),
    'MissingContentLength',
  );
  assert.equal(await put({ 'content-length': '6000000000' }, []), 'EntityTooLarge');
  assert.equal(
    await put({ 'content-length': '5' }, ['hello'], sha256Hex('other')),
    'XAmzContentSHA256Mismatch',
  );
  assert.equal(
    await put({ 'content-length': '5', 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, ['hello']),
    'BadDigest',
  );
  assert.equal(await put({ 'content-length': '5', 'content-md5': 'AAAA' }, ['hello']), 'InvalidDigest');
  assert.equal(
    await put({ 'content-length': '5', 'x-amz-checksum-crc32': 'AAAAAA==' }, ['hello']),
    'BadDigest',
  );
  assert.equal(await put(...framed(whole.replace('NhC', 'NhD'))), 'BadDigest');
  assert.equal(
    await put(...framed(whole.replace(/x-amz.*\r\n\r\n/, '\r\n'))),
    'BadDigest',
    'announced, not sent',
  );
  assert.equal(await put(...framed(whole, 6)), 'IncompleteBody');
  assert.equal(await put(...framed(whole, 4)), 'IncompleteBody');
  assert.equal(await put(...framed(`${whole}GET / HTTP/1.1\r\n\r\n`)), 'IncompleteBody');
  assert.equal(await put(...framed('5\r\nhello\r\n0')), 'IncompleteBody');
  assert.equal(await put(...framed('-5\r\nhello\r\n0\r\n\r\n')), 'IncompleteBody');
  assert.equal(await put(...framed('ffffffffff\r\nhello\r\n0\r\n\r\n')), 'IncompleteBody');
  assert.equal(
    await put(...framed(whole.replaceAll('crc32', 'crc64nvme'), 5, 'x-amz-checksum-crc64nvme')),
    'NotImplemented',
  );
  assert.equal(
    await put({ 'content-length': '5' }, ['hello'], 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD'),
    'NotImplemented',
  );
  assert.equal(await put({ 'content-length': '5' }, ['hello'], 'something'), 'InvalidArgument');
  await nothingStored(bench);
  assert.equal(await put(...framed(whole)), 200);
  const got = await bench.client().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'k' }));
  assert.equal(await got.Body!.transformToString(), 'hello');
});

test('a body that breaks off leaves the old object in place', async (t) => {
  const { client, sign, raw, head, files, server } = await setup(t);
  await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'old' }));
  const signed = await sign({ method: 'PUT', path, headers: { 'content-length': '1000000' } });
  await raw([head('PUT', path, signed), 'x'.repeat(500_000)], { hangUp: true });
  const got = await client().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'k' }));
  assert.equal(await got.Body!.transformToString(), 'old');
  await server.close();
  assert.deepEqual(await files('aside'), []);
});

test('malformed requests are answered or cut, and the server goes on', async (t) => {
  const bench = await setup(t);
  const { raw, sign, head, client, host } = bench;
  const signed = (target: string) => sign({ method: 'GET', path: target });
  assert.equal(statusOf(await raw(['nonsense\r\n\r\n'])), 400);
  assert.equal(
    statusOf(await raw([`GET / HTTP/1.1\r\nhost: ${host}\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`])),
    431,
  );
  assert.equal(statusOf(await raw([`GET /${'y'.repeat(20_000)} HTTP/1.1\r\nhost: ${host}\r\n\r\n`])), 431);
  assert.equal(codeOf(await raw([head('GET', `http://${host}/x`, { host })])), 'InvalidURI');
  assert.equal(codeOf(await raw([head('GET', `/${BUCKET}/%zz`, { host })])), 'InvalidURI');
  assert.equal(codeOf(await raw([head('GET', `/${BUCKET}/%ff`, { host })])), 'InvalidURI');
  assert.equal(codeOf(await raw([head('OPTIONS', path, { host })])), 'AccessDenied');
  assert.equal(
    statusOf(
      await raw([
        head('POST', path, { host, 'content-length': '5', 'transfer-encoding': 'chunked' }),
        '0\r\n\r\n',
      ]),
    ),
    400,
  );
  for (const target of [`/${BUCKET}/../../etc/passwd`, `/${BUCKET}/%2e%2e%2f%2e%2e%2fetc%2fpasswd`]) {
    const answer = await raw([
      head('GET', target, await signed(target.replaceAll('%2e', '.').replaceAll('%2f', '/'))),
    ]);
    assert.equal(codeOf(answer), 'NoSuchKey', 'a key like any other');
  }
  await nothingStored(bench);
  await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'x' }));
});

test('documents that are not what they should be are refused', async (t) => {
  const { sign, server } = await setup(t);
  const post = async (body: string) => {
    const made = { method: 'POST', path: `/${BUCKET}`, query: { delete: '' }, payload: sha256Hex(body) };
    const answer = await fetch(`${server.endpoint}/${BUCKET}?delete=`, {
      method: 'POST',
      body,
      headers: await sign(made),
    });
    return codeOf(await answer.text()) ?? answer.status;
  };
  const one = '<Object><Key>k</Key></Object>';
  assert.equal(
    await post(
      `<?xml version="1.0"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${one}</Delete>`,
    ),
    200,
  );
  for (const body of [
    '',
    'text',
    '<Delete>',
    `<Delete>${one}</Other>`,
    '<Delete></Delete>',
    `<Other>${one}</Other>`,
    `<Delete>${one}</Delete><Delete/>`,
    `<!DOCTYPE Delete [<!ENTITY a "b">]><Delete>${one}</Delete>`,
    '<Delete><Object><Key>&a;</Key></Object></Delete>',
    '<Delete><Object><Key><![CDATA[k]]></Key></Object></Delete>',
    `<Delete>${one.repeat(1001)}</Delete>`,
    '<Delete><Object><Key>&#x110000;</Key></Object></Delete>',
    '<a>'.repeat(100_000),
    `<Delete><Object><Key>${'k'.repeat(1025)}</Key></Object></Delete>`,
  ])
    assert.equal(await post(body), 'MalformedXML', body.slice(0, 60));
  assert.equal(await post(' '.repeat(3 * 1024 * 1024)), 'EntityTooLarge');
});

test('Expect: 100-continue invites the body only when the request is right', async (t) => {
  const { sign, raw, head } = await setup(t);
  const headers = { 'content-length': '5', expect: '100-continue' };
  const good = head('PUT', path, await sign({ method: 'PUT', path, headers }));
  const answer = await raw([good, 'hello']);
  assert.match(answer, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/);
  const refused = await raw([good.replace(path, `${path}2`)]);
  assert.match(refused, /^HTTP\/1.1 403 Forbidden/);
});

test('a socket on which nothing moves is closed, and its body forgotten', async (t) => {
  const bench = await setup(t, { idleTimeoutMs: 100 });
  const { sign, raw, head } = bench;
  const signed = await sign({ method: 'PUT', path, headers: { 'content-length': '10' } });
  assert.equal(await raw([head('PUT', path, signed), 'half']), '');
  assert.equal(await raw([]), '');
  await bench.server.close();
  await nothingStored(bench);
});

test('below the floor of free space a body is refused with 507 before it is read', async (t) => {
  const bench = await setup(t, { freeSpaceFloorBytes: Number.MAX_SAFE_INTEGER });
  const put = new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'x' });
  await assert.rejects(
    bench.client().send(put),
    (error: Error & { $metadata: { httpStatusCode: number } }) => {
      assert.equal(error.name, 'InsufficientStorage');
      assert.equal(error.$metadata.httpStatusCode, 507);
      return true;
    },
  );
  await nothingStored(bench);
});

test('no secret, signature or key of an object reaches the log', async (t) => {
  const { client, presign, lines, raw } = await setup(t);
  await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'private-name', Body: 'x' }));
  const url = await presign({ method: 'GET', path: `/${BUCKET}/private-name` });
  await fetch(url);
  await fetch(url.replace('private-name', 'other'));
  await raw(['nonsense\r\n\r\n']);
  const log = lines.join('');
  assert.ok(lines.length >= 3);
  for (const secret of [
    CREDENTIALS.secretAccessKey,
    /X-Amz-Signature=(\w+)/.exec(url)![1]!,
    'private-name',
    'Signature',
  ])
    assert.ok(!log.includes(secret), secret);
});
