/** Erasing an object, in stores with and without versions. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../src/runtime/clock.ts';
import { createStore } from '../../src/storage/store.ts';
import { bytes, flow, picture, setup as setupEmbedded } from './setup.ts';
import { openVersionedS3 } from './versioned-s3.ts';

const soon = () => AbortSignal.timeout(20_000);
const KEY = 'wx1/2026/05/01/m_1.jpg';
const DAY_MS = 24 * 3_600_000;

async function setup(t: TestContext, options: { versioning?: boolean } = {}) {
  const s3 = await openVersionedS3(t, options);
  const store = createStore({ ...s3.options, clock: systemClock });
  t.after(() => store.close());
  const put = async (text: string, key = KEY) =>
    await store.put({ ...picture, key, body: flow(Buffer.from(text)), signal: soon() });
  return { s3, store, put };
}

test('all versions and delete markers are deleted, over several pages', async (t) => {
  const { s3, store, put } = await setup(t);
  for (const text of ['one', 'two', 'three']) await put(text);
  await store.delete(KEY, soon());
  await put('four');
  await store.delete(KEY, soon());
  assert.equal(s3.versions(KEY).length, 6);
  assert.deepEqual(await store.erase(KEY, soon()), []);
  assert.deepEqual(s3.keys, []);
});

test('a version that a late PUT adds during the erasure is found and deleted', async (t) => {
  const { s3, store, put } = await setup(t);
  await put('one');
  s3.meanwhile = async () => {
    s3.meanwhile = undefined;
    await put('late');
  };
  assert.deepEqual(await store.erase(KEY, soon()), []);
  assert.deepEqual(s3.keys, []);
});

test('objects whose key only begins with the key stay', async (t) => {
  const { s3, store, put } = await setup(t);
  const neighbours = [`${KEY}.bak`, `${KEY}/part`, KEY.replace('m_1', 'm_10')];
  for (const key of [KEY, ...neighbours]) await put('x', key);
  assert.deepEqual(await store.erase(KEY, soon()), []);
  assert.deepEqual(s3.keys.sort(), neighbours.sort());
});

test('an object that does not exist is erased without adding a delete marker', async (t) => {
  const { s3, store } = await setup(t);
  assert.deepEqual(await store.erase(KEY, soon()), []);
  assert.deepEqual(s3.keys, []);
});

test('locked versions are returned with the end of their retention, and the others are deleted', async (t) => {
  const { s3, store, put } = await setup(t);
  await put('free');
  const until = new Date(Date.now() + DAY_MS);
  s3.lock(until);
  await put('locked');
  s3.lock(undefined, true);
  await put('held');
  const undeleted = await store.erase(KEY, soon());
  assert.deepEqual(undeleted, [
    { versionId: 'v3', why: 'locked', legalHold: true, detail: 'HTTP 403 AccessDenied' },
    { versionId: 'v2', why: 'locked', until, detail: 'HTTP 403 AccessDenied' },
  ]);
  assert.deepEqual(
    s3.versions(KEY).map(({ body }) => body),
    ['held', 'locked'],
  );
  s3.unlock();
  assert.deepEqual(await store.erase(KEY, soon()), []);
  assert.deepEqual(s3.keys, []);
});

for (const listing of ['refused', 'unknown', 'ignored'] as const) {
  test(`an object is erased in a bucket without versions whose list of versions is ${listing}`, async (t) => {
    const { s3, store, put } = await setup(t, { versioning: false });
    s3.listing = listing;
    await put('one');
    assert.deepEqual(await store.erase(KEY, soon()), []);
    assert.deepEqual(s3.keys, []);
    assert.deepEqual(await store.erase(KEY, soon()), [], 'and again');
  });
}

test('versions that cannot be listed are reported as not deleted, however often it is tried', async (t) => {
  const { s3, store, put } = await setup(t);
  await put('one');
  s3.listing = 'refused';
  for (let attempt = 0; attempt < 3; attempt++) {
    const [undeleted] = await store.erase(KEY, soon());
    assert.equal(undeleted?.why, 'refused');
    assert.match(undeleted.detail, /s3:ListBucketVersions/);
  }
  assert.equal(s3.versions(KEY).length, 2, 'hidden once, not three times');
  s3.listing = 'true';
  assert.deepEqual(await store.erase(KEY, soon()), []);
  assert.deepEqual(s3.keys, []);
});

test('an unavailable store fails the erasure, which then succeeds later', async (t) => {
  const { s3, store, put } = await setup(t);
  await put('one');
  s3.status = 503;
  await assert.rejects(store.erase(KEY, soon()), /store_unavailable/);
  s3.status = undefined;
  assert.deepEqual(await store.erase(KEY, soon()), []);
});

test('the embedded store, which has no versions, deletes an object at once', async (t) => {
  const { store, stored } = await setupEmbedded(t);
  await store.put({ ...picture, key: KEY, body: flow(bytes(1000)), signal: soon() });
  assert.deepEqual(await store.erase(KEY, soon()), []);
  assert.equal(await stored(KEY), undefined);
  assert.deepEqual(await store.erase(KEY, soon()), []);
});
