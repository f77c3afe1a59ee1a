/** Hand-made requests over raw sockets: a body that is not verified never becomes an object. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { BUCKET, CREDENTIALS, codeOf, setup, sha256Hex } from './s3-for-test.ts';

const path = `/${BUCKET}/k`;
const statusOf = (response: string) => Number(response.slice(9, 12));
type TestServer = Awaited<ReturnType<typeof setup>>;

async function nothingStored({ files }: TestServer) {
  assert.deepEqual([...(await files('objects')), ...(await files('aside'))], []);
}

test('a body that is short, has no length or is not what was signed never becomes an object', async (t) => {
  const server = await setup(t);
  const { sign, raw, head } = server;
  const put = async (
    headers: Record<string, string>,
    { body = 'hello', payload = sha256Hex(body), hangUp = false } = {},
  ) => {
    const signed = await sign({ method: 'PUT', path, payload, headers });
    const response = await raw([head('PUT', path, signed), body], { hangUp });
    return codeOf(response) ?? statusOf(response);
  };
  const length = { 'content-length': '5' };

  assert.notEqual(await put({ 'content-length': '10' }, { hangUp: true }), 200);
  assert.equal(await put({}, { body: '' }), 'MissingContentLength');
  const chunked = { 'transfer-encoding': 'chunked' };
  assert.equal(await put(chunked, { body: '5\r\nhello\r\n0\r\n\r\n' }), 'MissingContentLength');
  assert.equal(await put({ 'content-length': '6000000000' }, { body: '' }), 'EntityTooLarge');
  assert.equal(await put(length, { payload: sha256Hex('other') }), 'XAmzContentSHA256Mismatch');
  assert.equal(await put({ ...length, 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }), 'BadDigest');
  assert.equal(await put({ ...length, 'content-md5': 'AAAA' }), 'InvalidDigest');
  assert.equal(await put({ ...length, 'x-amz-checksum-crc32': 'AAAAAA==' }), 'BadDigest');
  assert.equal(await put({ ...length, 'x-amz-checksum-crc64nvme': 'AAAAAAAAAAA=' }), 'NotImplemented');
  assert.equal(await put(length, { payload: 'UNSIGNED-PAYLOAD' }), 'NotImplemented');
  for (const payload of ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'])
    assert.equal(await put(length, { payload }), 'NotImplemented', payload);
  assert.equal(await put(length, { payload: 'something' }), 'InvalidArgument');
  await nothingStored(server);
  assert.equal(await put({ ...length, 'x-amz-checksum-crc32': 'NhCmhg==' }), 200);
  const got = await server.client().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'k' }));
  assert.equal(await got.Body!.transformToString(), 'hello');
});

test('a body that is cut off leaves the old object in place', async (t) => {
  const { client, sign, raw, head, files, server } = await setup(t);
  await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'old' }));
  const payload = sha256Hex('x'.repeat(1_000_000));
  const signed = await sign({ method: 'PUT', path, payload, headers: { 'content-length': '1000000' } });
  await raw([head('PUT', path, signed), 'x'.repeat(500_000)], { hangUp: true });
  const got = await client().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'k' }));
  assert.equal(await got.Body!.transformToString(), 'old');
  await server.close();
  assert.deepEqual(await files('aside'), []);
});

test('a malformed request gets an error or is cut off, and the server keeps working', async (t) => {
  const server = await setup(t);
  const { raw, sign, head, client, host } = server;
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
    const response = await raw([
      head('GET', target, await signed(target.replaceAll('%2e', '.').replaceAll('%2f', '/'))),
    ]);
    assert.equal(codeOf(response), 'NoSuchKey', 'it is a key like any other');
  }
  await nothingStored(server);
  await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'x' }));
});

test('a malformed CompleteMultipartUpload document is refused', async (t) => {
  const { sign, server, client } = await setup(t);
  const of = { Bucket: BUCKET, Key: 'k' };
  const { UploadId } = await client().send(new CreateMultipartUploadCommand(of));
  const { ETag } = await client().send(
    new UploadPartCommand({ ...of, UploadId, PartNumber: 1, Body: 'a part' }),
  );
  const query = { uploadId: UploadId! };
  const post = async (body: string) => {
    const made = { method: 'POST', path, query, payload: sha256Hex(body) };
    const url = `${server.endpoint}${path}?uploadId=${UploadId}`;
    const response = await fetch(url, { method: 'POST', body, headers: await sign(made) });
    return codeOf(await response.text()) ?? response.status;
  };
  const part = `<Part><PartNumber>1</PartNumber><ETag>${ETag}</ETag></Part>`;
  const root = 'CompleteMultipartUpload';
  for (const body of [
    '',
    'text',
    `<${root}>`,
    `<${root}>${part}</Other>`,
    `<${root}></${root}>`,
    `<Other>${part}</Other>`,
    `<${root}>${part}</${root}><${root}/>`,
    `<!DOCTYPE ${root} [<!ENTITY a "b">]><${root}>${part}</${root}>`,
    `<${root}><Part><PartNumber>1</PartNumber><ETag>&a;</ETag></Part></${root}>`,
    `<${root}><Part><PartNumber>1</PartNumber><ETag><![CDATA[k]]></ETag></Part></${root}>`,
    `<${root}><Part><PartNumber>1</PartNumber><ETag>&#x110000;</ETag></Part></${root}>`,
    `<${root}><Part><PartNumber>one</PartNumber><ETag>${ETag}</ETag></Part></${root}>`,
    '<a>'.repeat(100_000),
  ])
    assert.equal(await post(body), 'MalformedXML', body.slice(0, 60));
  assert.equal(await post(' '.repeat(5 * 1024 * 1024)), 'EntityTooLarge');
  const good = `<?xml version="1.0"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${part}</${root}>`;
  assert.equal(await post(good), 200);
});

test('a silent socket is closed, and its body is discarded', async (t) => {
  const server = await setup(t, { idleTimeoutMs: 100 });
  const { sign, raw, head } = server;
  const payload = sha256Hex('0123456789');
  const signed = await sign({ method: 'PUT', path, payload, headers: { 'content-length': '10' } });
  assert.equal(await raw([head('PUT', path, signed), 'half']), '');
  assert.equal(await raw([]), '');
  await server.server.close();
  await nothingStored(server);
});

test('a body is refused with 507 where it would leave too little free space', async (t) => {
  const server = await setup(t, { freeSpaceFloorBytes: Number.MAX_SAFE_INTEGER });
  const put = new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'x' });
  await assert.rejects(
    server.client().send(put),
    (error: Error & { $metadata: { httpStatusCode: number } }) => {
      assert.equal(error.name, 'InsufficientStorage');
      assert.equal(error.$metadata.httpStatusCode, 507);
      return true;
    },
  );
  await nothingStored(server);
});

test('no secret, signature or object key is logged', async (t) => {
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
