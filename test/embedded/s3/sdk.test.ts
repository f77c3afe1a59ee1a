/** The server as clients of the AWS SDK see it, in both of their checksum modes. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import * as s3 from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { BUCKET as Bucket, setup } from './s3-for-test.ts';

const MIB = 1024 * 1024;
const named = (name: string) => (error: Error) => {
  assert.equal(error.name, name);
  return true;
};

for (const mode of ['WHEN_REQUIRED', 'WHEN_SUPPORTED'] as const) {
  const config = { requestChecksumCalculation: mode, responseChecksumValidation: mode } as const;

  test(`${mode}: an object is returned with its bytes, headers and metadata`, async (t) => {
    const client = (await setup(t)).client(config);
    const Body = randomBytes(300_000);
    const put = await client.send(
      new s3.PutObjectCommand({
        Bucket,
        Key: 'wx1/2026/01/31/m_1.jpg',
        Body,
        ContentType: 'image/jpeg',
        ContentDisposition: `inline; filename*=UTF-8''%E5%9B%BE.jpg`,
        CacheControl: 'private, max-age=60',
        Metadata: { 'wma-id': 'm_1', 'wma-kind': 'image' },
      }),
    );
    const head = await client.send(new s3.HeadObjectCommand({ Bucket, Key: 'wx1/2026/01/31/m_1.jpg' }));
    assert.equal(head.ContentLength, Body.length);
    assert.equal(head.ContentType, 'image/jpeg');
    assert.equal(head.ContentDisposition, `inline; filename*=UTF-8''%E5%9B%BE.jpg`);
    assert.equal(head.CacheControl, 'private, max-age=60');
    assert.deepEqual(head.Metadata, { 'wma-id': 'm_1', 'wma-kind': 'image' });
    assert.equal(head.ETag, put.ETag);
    const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: 'wx1/2026/01/31/m_1.jpg' }));
    assert.equal(got.ContentEncoding, undefined);
    assert.deepEqual(Buffer.from(await got.Body!.transformToByteArray()), Body);
  });

  test(`${mode}: lib-storage's Upload in parts stores the whole body`, async (t) => {
    const { client: make, files } = await setup(t);
    const client = make(config);
    const bytes = randomBytes(5 * MIB + 5);
    const upload = new Upload({
      client,
      params: {
        Bucket,
        Key: 'big.mp4',
        Body: Readable.from([bytes]),
        ContentType: 'video/mp4',
        Metadata: { a: 'b' },
      },
      partSize: 5 * MIB,
      queueSize: 2,
    });
    const done = await upload.done();
    assert.match(done.ETag!, /^"[0-9a-f]{32}-2"$/);
    const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: 'big.mp4' }));
    assert.equal(got.ContentType, 'video/mp4');
    assert.deepEqual(got.Metadata, { a: 'b' });
    assert.deepEqual(Buffer.from(await got.Body!.transformToByteArray()), bytes);
    assert.deepEqual(await files('uploads'), []);
    assert.deepEqual(await files('aside'), []);
  });
}

test('a checksum that is not verified, and a streamed body, are refused by name', async (t) => {
  const client = (await setup(t)).client({ requestChecksumCalculation: 'WHEN_SUPPORTED' });
  const put = (more: Partial<s3.PutObjectCommandInput>) =>
    client.send(new s3.PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...more }));
  await assert.rejects(put({ ChecksumCRC64NVME: 'AAAAAAAAAAA=' }), named('NotImplemented'));
  await assert.rejects(put({ ChecksumAlgorithm: 'SHA1' }), named('NotImplemented'));
  const Body = Readable.from([Buffer.from('hello')]);
  await assert.rejects(put({ Body, ContentLength: 5 }), named('NotImplemented'));
  await assert.rejects(client.send(new s3.HeadObjectCommand({ Bucket, Key: 'k' })), named('NotFound'));
});

test('multipart uploads are listed, completed in order only and repeatedly, and aborted', async (t) => {
  const { client: make, files } = await setup(t);
  const client = make();
  const Key = 'folder/分段.bin';
  const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand({ Bucket, Key }));
  const bytes = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(10)];
  const Parts: s3.CompletedPart[] = [];
  for (const [index, Body] of bytes.entries()) {
    const part = { Bucket, Key, UploadId, PartNumber: index + 1, Body };
    const { ETag } = await client.send(new s3.UploadPartCommand(part));
    Parts.push({ ETag, PartNumber: index + 1 });
  }
  const uploads = await client.send(new s3.ListMultipartUploadsCommand({ Bucket, Prefix: 'folder/' }));
  assert.deepEqual(
    uploads.Uploads?.map((upload) => [upload.Key, upload.UploadId]),
    [[Key, UploadId]],
  );

  for (const Prefix of ['folder/分段.bin.bak', 'older/', 'f/'])
    assert.deepEqual(
      (await client.send(new s3.ListMultipartUploadsCommand({ Bucket, Prefix }))).Uploads,
      undefined,
      Prefix,
    );
  // Neither with another key nor with an id that is a path to the same folder.
  for (const other of [
    { Bucket, Key: 'another-key', UploadId },
    { Bucket, Key, UploadId: `../uploads/${UploadId}` },
    { Bucket, Key, UploadId: `${UploadId}/.` },
  ]) {
    const part = { ...other, PartNumber: 1, Body: 'x' };
    await assert.rejects(client.send(new s3.UploadPartCommand(part)), named('NoSuchUpload'));
    await assert.rejects(client.send(new s3.AbortMultipartUploadCommand(other)), named('NoSuchUpload'));
  }

  const complete = (parts: s3.CompletedPart[], key = Key) =>
    client.send(
      new s3.CompleteMultipartUploadCommand({
        Bucket,
        Key: key,
        UploadId,
        MultipartUpload: { Parts: parts },
      }),
    );
  await assert.rejects(complete(Parts.toReversed()), named('InvalidPartOrder'));
  await assert.rejects(
    complete([Parts[0]!, { ETag: `"${'0'.repeat(32)}"`, PartNumber: 2 }]),
    named('InvalidPart'),
  );
  const extra = { Bucket, Key, UploadId, PartNumber: 4, Body: 'after the end' };
  const { ETag } = await client.send(new s3.UploadPartCommand(extra));
  await assert.rejects(complete([...Parts, { ETag, PartNumber: 4 }]), named('EntityTooSmall'));
  await assert.rejects(complete(Parts, 'another-key'), named('NoSuchUpload'));
  await assert.rejects(client.send(new s3.HeadObjectCommand({ Bucket, Key })), named('NotFound'));

  const [first, second] = await Promise.all([complete(Parts), complete(Parts)]);
  assert.equal(first.ETag, second.ETag);
  assert.equal((await complete(Parts)).ETag, first.ETag, 'a repeat whose first response was lost');
  const got = await client.send(new s3.GetObjectCommand({ Bucket, Key }));
  assert.deepEqual(Buffer.from(await got.Body!.transformToByteArray()), Buffer.concat(bytes));

  const gone = await client.send(new s3.CreateMultipartUploadCommand({ Bucket, Key: 'gone' }));
  const part = { Bucket, Key: 'gone', UploadId: gone.UploadId, PartNumber: 1, Body: 'x' };
  await client.send(new s3.UploadPartCommand(part));
  await client.send(new s3.AbortMultipartUploadCommand({ Bucket, Key: 'gone', UploadId: gone.UploadId }));
  await assert.rejects(client.send(new s3.UploadPartCommand(part)), named('NoSuchUpload'));
  assert.deepEqual(await files('uploads'), []);
  assert.deepEqual(await files('aside'), []);
});

test('ranges and the conditions of browsers are obeyed by a GET', async (t) => {
  const { client: make, presign } = await setup(t);
  const client = make();
  await client.send(
    new s3.PutObjectCommand({ Bucket, Key: 'k', Body: '0123456789', ContentType: 'text/plain' }),
  );
  const get = (more: Partial<s3.GetObjectCommandInput>) =>
    client.send(new s3.GetObjectCommand({ Bucket, Key: 'k', ...more }));
  for (const [Range, text, ContentRange] of [
    ['bytes=2-4', '234', 'bytes 2-4/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-30', '0123456789', 'bytes 0-9/10'],
    ['bytes=8-100', '89', 'bytes 8-9/10'],
    ['bytes=5-2', '0123456789', undefined],
    ['bytes=0-1,3-4', '0123456789', undefined],
  ] as const) {
    const got = await get({ Range });
    assert.equal(await got.Body!.transformToString(), text, Range);
    assert.equal(got.ContentRange, ContentRange);
  }
  for (const Range of ['bytes=10-', 'bytes=-0']) await assert.rejects(get({ Range }), named('InvalidRange'));

  const { ETag, LastModified } = await client.send(new s3.HeadObjectCommand({ Bucket, Key: 'k' }));
  const url = await presign({ method: 'GET', path: `/${Bucket}/k` });
  for (const [condition, status] of [
    [ETag!, 206],
    [LastModified!.toUTCString(), 206],
    ['"0"', 200],
    ['Thu, 01 Jan 2026 00:00:00 GMT', 200],
  ] as const)
    assert.equal(
      (await fetch(url, { headers: { range: 'bytes=2-4', 'if-range': condition } })).status,
      status,
      condition,
    );
  const notModified = (error: s3.S3ServiceException) => error.$metadata.httpStatusCode === 304;
  await assert.rejects(get({ IfNoneMatch: ETag! }), notModified);
  await assert.rejects(get({ IfModifiedSince: LastModified! }), notModified);
  await get({ IfNoneMatch: '"0"', IfModifiedSince: LastModified! });
  await assert.rejects(get({ IfMatch: '"0"' }), named('NotImplemented'));
});

test('another bucket does not exist', async (t) => {
  const client = (await setup(t)).client();
  await assert.rejects(
    client.send(new s3.GetObjectCommand({ Bucket: 'other', Key: 'k' })),
    named('NoSuchBucket'),
  );
});

test('metadata may be as long as S3 allows', async (t) => {
  const client = (await setup(t)).client();
  const put = (value: string) =>
    client.send(new s3.PutObjectCommand({ Bucket, Key: 'k', Body: 'x', Metadata: { ab: value } }));
  await put('x'.repeat(2046));
  await assert.rejects(put('x'.repeat(2047)), named('MetadataTooLarge'));
});

test('what is not implemented is refused and changes nothing', async (t) => {
  const client = (await setup(t)).client();
  await client.send(new s3.PutObjectCommand({ Bucket, Key: 'k', Body: 'kept' }));
  const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
  const notImplemented = named('NotImplemented');
  await assert.rejects(
    client.send(new s3.PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging })),
    notImplemented,
  );
  await assert.rejects(
    client.send(new s3.PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'private' })),
    notImplemented,
  );
  const copy = new s3.CopyObjectCommand({ Bucket, Key: 'k', CopySource: `${Bucket}/other` });
  await assert.rejects(client.send(copy), notImplemented);
  const encrypted = new s3.PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ServerSideEncryption: 'AES256' });
  await assert.rejects(client.send(encrypted), notImplemented);
  for (const condition of [{ IfNoneMatch: '*' }, { IfMatch: '"0"' }, { ContentEncoding: 'gzip' }])
    await assert.rejects(
      client.send(new s3.PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...condition })),
      notImplemented,
    );
  await assert.rejects(client.send(new s3.ListObjectsCommand({ Bucket })), notImplemented);
  await assert.rejects(client.send(new s3.ListObjectVersionsCommand({ Bucket })), notImplemented);
  await assert.rejects(
    client.send(new s3.GetObjectCommand({ Bucket, Key: 'k', ResponseContentType: 'text/html' })),
    notImplemented,
  );
  const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: 'k' }));
  assert.equal(await got.Body!.transformToString(), 'kept');
});
