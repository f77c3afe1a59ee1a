import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { FailureError } from '../../src/failures.ts';
import { bytes, flow, picture, SECRET_ACCESS_KEY, setup } from './setup.ts';

const soon = () => AbortSignal.timeout(20_000);
const HOUR_MS = 3_600_000;

async function setupWith(t: Parameters<typeof setup>[0], keys: readonly string[]) {
  const bundle = await setup(t);
  for (const key of keys)
    await bundle.store.put({ ...picture, key, body: flow(Buffer.from('0123456789')), signal: soon() });
  return bundle;
}

test('a range is passed through, and a range beyond the end is a 416', async (t) => {
  const { store } = await setupWith(t, ['a.jpg']);
  const part = (await store.get('a.jpg', { range: 'bytes=2-4', signal: soon() }))!;
  assert.deepEqual([part.status, part.headers['content-range']], [206, 'bytes 2-4/10']);
  assert.equal(await text(part.body), '234');
  const beyond = (await store.get('a.jpg', { range: 'bytes=100-', signal: soon() }))!;
  assert.equal(beyond.status, 416);
  beyond.body.destroy();
});

test('a missing object is undefined for head and get, and deleting it is no error', async (t) => {
  const { store } = await setup(t);
  assert.equal(await store.head('no.jpg', soon()), undefined);
  assert.equal(await store.get('no.jpg', { signal: soon() }), undefined);
  await store.delete('no.jpg', soon());
  await store.abortMultipart('no.jpg', 'no-such-upload', soon());
});

test('a 404 for another reason than a missing object is a failure', async (t) => {
  const { store, injectFaults } = await setup(t);
  const isSo = (error: unknown) =>
    error instanceof FailureError && error.failure.code === 'store_bucket_missing';
  injectFaults(() => ({ status: 404, code: 'NoSuchBucket' }));
  await assert.rejects(store.delete('a.jpg', soon()), isSo);
  await assert.rejects(store.head('a.jpg', soon()), isSo);
  await assert.rejects(store.get('a.jpg', { signal: soon() }), isSo);
  await assert.rejects(store.erase('a.jpg', soon()), isSo);
});

test('a deleted object does not exist', async (t) => {
  const { store } = await setupWith(t, ['a.jpg']);
  await store.delete('a.jpg', soon());
  assert.equal(await store.head('a.jpg', soon()), undefined);
});

test('a list is read page by page, in order and under its prefix', async (t) => {
  const keys = Array.from({ length: 7 }, (_, index) => `wx1/照 片/${index}&<'()*+!.jpg`);
  const { store } = await setupWith(t, [...keys, 'wx2/other.jpg']);
  const whole = await store.list({ prefix: 'wx1/', signal: soon() });
  assert.deepEqual(
    whole.objects.map((object) => object.key),
    keys,
  );
  assert.equal(whole.cursor, undefined);
  assert.equal(whole.objects[0]?.sizeBytes, 10);
  assert.ok(whole.objects[0]?.modifiedAt instanceof Date);
  const found: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const page = await store.list({ pageSize: 3, ...(cursor ? { cursor } : {}), signal: soon() });
    found.push(...page.objects.map((object) => object.key));
    cursor = page.cursor;
    pages++;
  } while (cursor);
  assert.deepEqual(found, [...keys, 'wx2/other.jpg']);
  assert.equal(pages, 3);
});

test('a link opens without credentials and with ranges, but not altered or expired', async (t) => {
  const { store } = await setupWith(t, ["wx1/照 片'(1)*!.jpg"]);
  const { url, expiresAt } = await store.link("wx1/照 片'(1)*!.jpg", { now: new Date(), ttlMs: HOUR_MS });
  assert.ok(expiresAt.getTime() >= Date.now() + HOUR_MS / 2 - 1000);
  assert.doesNotMatch(url, new RegExp(SECRET_ACCESS_KEY));
  assert.equal(await (await fetch(url)).text(), '0123456789');
  assert.equal(await (await fetch(url, { headers: { range: 'bytes=0-1' } })).text(), '01');
  assert.equal((await fetch(url.replace('Expires=3600', 'Expires=7200'))).status, 403);
  assert.equal((await fetch(url, { method: 'PUT', body: 'x' })).status, 403);
  const yesterday = await store.link("wx1/照 片'(1)*!.jpg", {
    now: new Date(Date.now() - 25 * HOUR_MS),
    ttlMs: HOUR_MS,
  });
  assert.equal((await fetch(yesterday.url)).status, 403);
});

test('links point to the public endpoint and are made without a request', async (t) => {
  const { store, operations, directEndpoint, endpoint } = await setup(t);
  const other = await setup(t, { publicEndpoint: 'https://media.example.com', publicAddressing: 'cname' });
  const now = new Date();
  assert.match(
    (await store.link('a.jpg', { now, ttlMs: HOUR_MS })).url,
    new RegExp(`^${endpoint}/media/a.jpg`),
  );
  const link = await other.store.link('a.jpg', { now, ttlMs: HOUR_MS });
  assert.match(link.url, /^https:\/\/media\.example\.com\/a\.jpg\?/);
  assert.notEqual(directEndpoint, endpoint);
  assert.deepEqual([...operations(), ...other.operations()], []);
});

test('a body from the store that is cut off is an error', async (t) => {
  const { store, injectFaults } = await setup(t);
  await store.put({ ...picture, body: flow(bytes(3_000_000)), signal: soon() });
  injectFaults(() => ({ cutResponse: true }));
  const { body } = (await store.get(picture.key, { signal: soon() }))!;
  await assert.rejects(text(body));
});

test('a store that sends HTML or an endless document is a failure', async (t) => {
  const { store, injectFaults } = await setup(t);
  injectFaults(() => ({ text: '<html><body>Bad gateway' }));
  await assert.rejects(store.list({ signal: soon() }), FailureError);
  injectFaults(() => ({ text: 'x'.repeat(5 * 1024 * 1024) }));
  await assert.rejects(store.list({ signal: soon() }), /store_unavailable: response body too long/);
});
