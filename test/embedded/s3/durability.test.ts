/** Restarts, overwrites and damage: a stored object is whole or an error. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as s3 from '@aws-sdk/client-s3';
import { BUCKET as Bucket, setup } from './s3-for-test.ts';

const MIB = 1024 * 1024;

test('objects and multipart uploads survive a restart; half-written files do not', async (t) => {
  const first = await setup(t, { fsync: true });
  const before = first.client();
  const bytes = [randomBytes(5 * MIB), randomBytes(7)];
  await before.send(new s3.PutObjectCommand({ Bucket, Key: 'kept/object', Body: 'kept' }));
  const { UploadId } = await before.send(
    new s3.CreateMultipartUploadCommand({ Bucket, Key: 'big', ContentType: 'video/mp4' }),
  );
  const put = (client: s3.S3Client, index: number) =>
    client.send(
      new s3.UploadPartCommand({ Bucket, Key: 'big', UploadId, PartNumber: index + 1, Body: bytes[index]! }),
    );
  const one = await put(before, 0);
  await first.server.close();
  await writeFile(join(first.folder, 'aside', 'half-written'), 'half');

  const second = await setup(t, { folder: first.folder });
  assert.deepEqual(await second.files('aside'), []);
  const after = second.client();
  const kept = await after.send(new s3.GetObjectCommand({ Bucket, Key: 'kept/object' }));
  assert.equal(await kept.Body!.transformToString(), 'kept');
  const two = await put(after, 1);
  const Parts = [one, two].map(({ ETag }, index) => ({ ETag, PartNumber: index + 1 }));
  const complete = { Bucket, Key: 'big', UploadId, MultipartUpload: { Parts } };
  await after.send(new s3.CompleteMultipartUploadCommand(complete));
  const got = await after.send(new s3.GetObjectCommand({ Bucket, Key: 'big' }));
  assert.equal(got.ContentType, 'video/mp4');
  assert.deepEqual(Buffer.from(await got.Body!.transformToByteArray()), Buffer.concat(bytes));
});

test('readers during overwrites get one version or another, never parts of two', async (t) => {
  const client = (await setup(t)).client();
  const version = (letter: string) => Buffer.alloc(700_000 + letter.charCodeAt(0), letter);
  const put = (letter: string) =>
    client.send(new s3.PutObjectCommand({ Bucket, Key: 'k', Body: version(letter), Metadata: { letter } }));
  await put('a');
  let writing = true;
  const writer = (async () => {
    for (const letter of 'bcdefghijklmnopqrst') await put(letter);
    writing = false;
  })();
  const seen = new Set<string>();
  const reader = async () => {
    while (writing) {
      const got = await client.send(new s3.GetObjectCommand({ Bucket, Key: 'k' }));
      const bytes = Buffer.from(await got.Body!.transformToByteArray());
      const letter = got.Metadata!.letter!;
      assert.ok(bytes.equals(version(letter)), `a torn read of ${letter}`);
      seen.add(letter);
    }
  };
  await Promise.all([writer, reader(), reader(), reader()]);
  assert.ok(seen.size > 1);
});

test('objects of one folder are written and deleted concurrently without errors', async (t) => {
  const { client: make, folder } = await setup(t);
  const client = make();
  const rounds = async (name: string) => {
    for (let round = 0; round < 40; round++) {
      const Key = `deep/er/${name}`;
      await client.send(new s3.PutObjectCommand({ Bucket, Key, Body: name }));
      await client.send(new s3.HeadObjectCommand({ Bucket, Key }));
      await client.send(new s3.DeleteObjectCommand({ Bucket, Key }));
    }
  };
  await Promise.all(['a', 'b', 'c', 'd'].map(rounds));
  assert.deepEqual(await readdir(join(folder, 'objects')), []);
});

test('a damaged file is an error with a log line, never wrong bytes', async (t) => {
  const { client: make, folder, lines } = await setup(t);
  const client = make();
  await client.send(new s3.PutObjectCommand({ Bucket, Key: 'k', Body: 'hello' }));
  await truncate(join(folder, 'objects', '=k'), 20);
  await assert.rejects(client.send(new s3.GetObjectCommand({ Bucket, Key: 'k' })), { name: 'InternalError' });
  assert.ok(lines.some((line) => line.includes('does not end as it should')));
});
