/** The results of a verification for one row and for one object, with a store that fails on request. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { FailureError } from '../../../src/failures.ts';
import { idOf, keyPrefixOf, type Reference } from '../../../src/media.ts';
import { metadataOf } from '../../../src/pipeline/archive/object-metadata.ts';
import { scanObjects } from '../../../src/pipeline/verify/objects.ts';
import type { Scan, ScanContext, ScanDeps } from '../../../src/pipeline/verify/page.ts';
import { scanRows } from '../../../src/pipeline/verify/rows.ts';
import { BUCKET, bytes, flow, setup as openStore, picture, sha256 } from '../../storage/setup.ts';

const DAY_MS = 24 * 3_600_000;
const soon = () => AbortSignal.timeout(20_000);
const reference: Reference = {
  account: 'wx1',
  mediaId: 'media-1',
  kind: 'image',
  sentAt: new Date('2026-05-01T12:00:00Z'),
};
const ID = idOf('wx1', 'media-1');
const STEM = keyPrefixOf({ prefix: '', ...reference, id: ID });
const KEY = `${STEM}.jpg`;
const BODY = bytes(100_000);
const ROW = {
  id: ID,
  account: 'wx1',
  status: 'archived',
  bucket: BUCKET,
  objectKey: KEY,
  sizeBytes: BODY.length,
  sha256: sha256(BODY),
};
type Row = { [Field in keyof typeof ROW]: (typeof ROW)[Field] };

/** `row`: as the verification read it. `now`: what has changed since. */
async function setup(t: TestContext, given: { row?: Partial<Row>; now?: Partial<Row>; ageMs?: number } = {}) {
  const s3 = await openStore(t, { idleTimeoutMs: 2_000 });
  const row = { ...ROW, ...given.row };
  const taken = { bytes: 0 };
  const deps: ScanDeps = {
    catalogue: {
      media: {
        get: async () => ({ ...row, ...given.now }) as never,
        list: async () => ({ items: [row as never] }),
      },
      objects: {
        rowsById: async () => new Map([[ID, row as never]]),
        sampleArchived: async () => [],
        adopt: async () => assert.fail('nothing is adopted'),
      },
    },
    store: s3.store,
    clock: { now: () => new Date(Date.now() + (given.ageMs ?? 2 * DAY_MS)), sleep: async () => undefined },
    prefix: '',
    safeAgeMs: DAY_MS,
    pageMs: 3_000,
  };
  const check = async (scan: Scan, options: ScanContext['options'] = {}) => {
    const count = async (amount: number) => {
      taken.bytes += amount;
    };
    const of = { id: 'v1', options, by: { actor: 'a', reason: 'r' }, bytes: count, objects: async () => {} };
    return (await scan(deps, of, '', soon())).results.map(({ what }) => what);
  };
  const put = (key: string, body = BODY, metadata: Record<string, string> = { id: ID }) =>
    s3.store.put({ ...picture, key, body: flow(body), metadata, signal: soon() });
  return { ...s3, check, put, taken };
}

describe('the verification of a row', () => {
  const read = scanRows('bytes');

  it('succeeds where the object has its bytes, which count for the rate limit', async (t) => {
    const { check, put, taken } = await setup(t);
    await put(KEY);
    assert.deepEqual(await check(read), ['ok']);
    assert.equal(taken.bytes, BODY.length);
  });

  it('finds bytes that differ from what HEAD reports', async (t) => {
    const { check, put, injectFaults } = await setup(t);
    await put(KEY);
    const other = Buffer.from(BODY).fill(7).toString('latin1');
    for (const [text, what] of [
      [other, 'wrongDigest'],
      [other.slice(1), 'wrongSize'],
    ] as const) {
      injectFaults(({ method }) => (method === 'GET' ? { text } : undefined));
      assert.deepEqual(await check(read), [what]);
    }
  });

  it('finds another size, other bytes or another item by the headers alone', async (t) => {
    const { check, put } = await setup(t);
    for (const [body, metadata, what] of [
      [BODY, { id: ID }, 'ok'],
      [BODY.subarray(1), { id: ID }, 'wrongSize'],
      [Buffer.from(BODY).fill(7), { id: ID }, 'wrongDigest'],
      [BODY, { id: idOf('wx1', 'media-2') }, 'otherMedia'],
    ] as const) {
      await put(KEY, body, metadata);
      assert.deepEqual(await check(scanRows('headers')), [what]);
    }
  });

  it('reports no finding for a row that changed meanwhile', async (t) => {
    for (const now of [{ status: 'erased' }, { objectKey: `${STEM}-pic.jpg` }, { sha256: 'f'.repeat(64) }]) {
      const { check } = await setup(t, { now });
      assert.deepEqual(await check(read), ['changed'], JSON.stringify(now));
    }
  });

  it('reports a row of another bucket without a request to this one', async (t) => {
    const { check, put, operations } = await setup(t, { row: { bucket: 'the-old-one' } });
    await put(KEY);
    const before = operations().length;
    assert.deepEqual(await check(read), ['otherBucket']);
    assert.equal(operations().length, before);
  });

  it('reports an object that cannot be read to its end, and rejects while the store is down', async (t) => {
    const { check, put, injectFaults } = await setup(t);
    await put(KEY);
    const isObject = ({ url }: { url: URL }) => url.pathname.endsWith(KEY);
    injectFaults((request) =>
      request.method === 'GET' && isObject(request) ? { cutResponse: true } : undefined,
    );
    assert.deepEqual(await check(read), ['unreadable']);
    injectFaults((request) =>
      isObject(request) && request.method === 'HEAD' ? undefined : { status: 503, code: 'SlowDown' },
    );
    const isUnavailable = (error: unknown) =>
      error instanceof FailureError && error.failure.code === 'store_unavailable';
    await assert.rejects(check(read), isUnavailable);
  });
});

describe('a leftover object', () => {
  const LEFT = `${STEM}.left`;
  const remove = (check: Awaited<ReturnType<typeof setup>>['check']) =>
    check(scanObjects('report'), { remove: true });

  it('is removed only while the object that its row names is there whole', async (t) => {
    const { check, put, stored } = await setup(t);
    await put(LEFT);
    assert.deepEqual(await remove(check), ['leftover'], 'the other object is missing');
    await put(KEY, BODY.subarray(1));
    assert.deepEqual((await remove(check)).sort(), ['known', 'leftover'], 'the other object is too short');
    assert.ok(await stored(LEFT));
    await put(KEY);
    assert.deepEqual((await remove(check)).sort(), ['known', 'removed']);
    assert.equal(await stored(LEFT), undefined);
    assert.ok(await stored(KEY));
  });

  it('stays while it is young, without remove, and where its metadata names another item', async (t) => {
    for (const [given, metadata, options, what] of [
      [{ ageMs: DAY_MS - 60_000 }, { id: ID }, { remove: true }, 'leftover'],
      [{}, { id: ID }, {}, 'leftover'],
      [{}, { id: idOf('wx1', 'media-2') }, { remove: true }, 'foreign'],
      [{ row: { status: 'erased' } }, {}, { remove: true }, 'foreign'],
    ] as const) {
      const { check, put, stored } = await setup(t, given);
      await put(KEY);
      await put(LEFT, BODY, metadata);
      const found = await check(scanObjects('report'), options);
      assert.ok(found.includes(what), `${found} for ${what}`);
      assert.ok(await stored(LEFT), what);
    }
  });

  it('stays where its row names it now', async (t) => {
    const { check, put, stored } = await setup(t, { now: { objectKey: LEFT } });
    await put(LEFT);
    assert.deepEqual(await remove(check), ['changed']);
    assert.ok(await stored(LEFT));
  });

  it('stays where its item was erased and is archived again', async (t) => {
    const { check, put, stored } = await setup(t, { row: { status: 'erased' }, now: { status: 'archived' } });
    await put(LEFT, BODY, metadataOf(ID, reference, 'media_get'));
    assert.deepEqual(await remove(check), ['changed']);
    assert.ok(await stored(LEFT));
  });
});
