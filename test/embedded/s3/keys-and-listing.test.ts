/** Any key whatever stays inside the folder, is its own object, and is listed in S3's order. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as s3 from '@aws-sdk/client-s3';
import { namesOfKey, readName } from '../../../src/embedded/s3/files/key-path.ts';
import { BUCKET as Bucket, setup } from './s3-for-test.ts';

const long = (char: string, length: number) => char.repeat(length);

/** Keys that have broken file-backed stores: folders and files of one name, dots, NUL, case, Unicode, lengths. */
const ODD_KEYS = [
  'a',
  'a/',
  'a/b',
  'a/b/',
  'a//b',
  'a-b',
  'a.b',
  'a0',
  'A',
  'A/b',
  '/',
  '//',
  '/lead',
  './x',
  '../x',
  '../../etc/passwd',
  'a/../../b',
  '..',
  '.',
  'a\0b',
  'a\nb',
  'tab\t',
  ' space ',
  'per%cent',
  'per%2fcent',
  '%',
  '=',
  '+',
  '~',
  '+a/=b',
  'aux',
  'con.txt',
  '图片/视频.mp4',
  '\u00e9',
  'e\u0301',
  '😀',
  '\uffff',
  'q?x=1&y',
  'a\\b',
  'q\'"<>&;',
  long('x', 79),
  long('x', 80),
  long('x', 81),
  `${long('x', 80)}/`,
  `${long('x', 80)}!`,
  `${long('x', 80)}0`,
  `${long('x', 80)}/y`,
  long('x', 160),
  long('x', 1024),
  long('/', 1024),
  long('A', 1024),
  long('图', 341),
  long('Z/', 512),
  long('../', 341),
];
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

test('names of keys are harmless to a file system and read back', () => {
  for (const key of ODD_KEYS) {
    const names = namesOfKey(key);
    for (const name of names) assert.match(name, /^[=+~][a-z0-9._%-]{0,240}$/);
    const bytes = names.map((name) => readName(name)!).join('');
    assert.equal(Buffer.from(bytes, 'latin1').toString(), key);
  }
  assert.equal(
    new Set(ODD_KEYS.map((key) => namesOfKey(key).join('\0').toLowerCase())).size,
    ODD_KEYS.length,
  );
});

test('odd keys are objects of their own, listed in the order of their bytes, and leave nothing when deleted', async (t) => {
  const { client: make, folder } = await setup(t);
  const client = make();
  for (const Key of ODD_KEYS)
    await client.send(new s3.PutObjectCommand({ Bucket, Key, Body: Buffer.from(Key) }));
  for (const Key of ODD_KEYS) {
    const got = await client.send(new s3.GetObjectCommand({ Bucket, Key }));
    assert.equal(await got.Body!.transformToString(), Key);
  }
  assert.deepEqual((await readdir(folder)).sort(), ['aside', 'objects', 'uploads']);

  const listed: string[] = [];
  for (let token: string | undefined, more = true; more; ) {
    const page = await client.send(
      new s3.ListObjectsV2Command({ Bucket, MaxKeys: 7, EncodingType: 'url', ContinuationToken: token }),
    );
    listed.push(...(page.Contents ?? []).map((object) => decodeURIComponent(object.Key!)));
    token = page.NextContinuationToken;
    more = page.IsTruncated!;
  }
  assert.deepEqual(listed, ODD_KEYS.toSorted(byBytes));

  const Objects = ODD_KEYS.filter((key) => !/[\0\uffff]/.test(key)).map((Key) => ({ Key }));
  const gone = await client.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  assert.equal(gone.Deleted?.length, Objects.length);
  for (const Key of ['a\0b', '\uffff', 'never there'])
    await client.send(new s3.DeleteObjectCommand({ Bucket, Key }));
  assert.deepEqual(await readdir(join(folder, 'objects')), []);
});

test('a key over 1024 bytes is refused', async (t) => {
  const client = (await setup(t)).client();
  const put = new s3.PutObjectCommand({ Bucket, Key: long('图', 342), Body: 'x' });
  await assert.rejects(client.send(put), { name: 'KeyTooLongError' });
});

test('prefix, delimiter, start-after and paging agree with a plain filter over all keys', async (t) => {
  const client = (await setup(t)).client();
  const keys = [
    'a',
    'a/1',
    'a/2',
    'a/b/1',
    'a-',
    'a0',
    'b/',
    'b/x/y',
    'b/x/z',
    'ba',
    'c',
    `d/${long('x', 90)}/1`,
    `d/${long('x', 90)}2`,
  ];
  for (const Key of keys) await client.send(new s3.PutObjectCommand({ Bucket, Key, Body: 'x' }));
  const sorted = keys.toSorted(byBytes);
  const model = (Prefix: string, Delimiter: string, StartAfter: string) => {
    const rows = sorted
      .filter((key) => key.startsWith(Prefix) && byBytes(key, StartAfter) > 0)
      .map((key) => {
        const cut = Delimiter ? key.indexOf(Delimiter, Prefix.length) : -1;
        return cut < 0 ? key : `${key.slice(0, cut + Delimiter.length)} (prefix)`;
      });
    return [...new Set(rows)];
  };
  for (const Prefix of ['', 'a', 'a/', 'a/b', 'b', 'b/x/', 'd/', `d/${long('x', 85)}`, 'nothing/'])
    for (const Delimiter of ['', '/', 'x'])
      for (const StartAfter of ['', 'a/1', 'b'])
        for (const MaxKeys of [1, 2, 1000]) {
          const rows: string[] = [];
          for (let token: string | undefined, more = true; more; ) {
            const page: s3.ListObjectsV2CommandOutput = await client.send(
              new s3.ListObjectsV2Command({
                Bucket,
                Prefix,
                Delimiter,
                StartAfter,
                MaxKeys,
                ContinuationToken: token,
              }),
            );
            const both = [
              ...(page.Contents ?? []).map((object) => object.Key!),
              ...(page.CommonPrefixes ?? []).map((prefix) => `${prefix.Prefix} (prefix)`),
            ];
            assert.ok(both.length <= MaxKeys);
            assert.equal(page.KeyCount, both.length);
            rows.push(...both);
            token = page.NextContinuationToken;
            more = page.IsTruncated!;
          }
          const wanted = model(Prefix, Delimiter, StartAfter);
          assert.deepEqual(
            rows.toSorted(),
            wanted.toSorted(),
            JSON.stringify({ Prefix, Delimiter, StartAfter, MaxKeys }),
          );
        }
  const foreign = new s3.ListObjectsV2Command({ Bucket, ContinuationToken: 'of-another-server' });
  await assert.rejects(client.send(foreign), { name: 'InvalidArgument' });
});
