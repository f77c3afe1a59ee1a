import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { FailureError } from '../../../src/failures.ts';
import { bytes, flow, never, PART_BYTES, picture, SECRET_ACCESS_KEY, setup, sha256 } from '../setup.ts';

const unhurried = () => AbortSignal.timeout(30_000);
const small = { partSizeBytes: PART_BYTES };
/** The sizes of bodies of two and of three parts. */
const TWO_PARTS = PART_BYTES + 100_000;
const THREE_PARTS = 2 * PART_BYTES + 100_000;
const failsWith = (code: string, detail?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FailureError, `a ${String(error)}`);
  assert.equal(error.failure.code, code);
  if (detail) assert.match(error.failure.detail ?? '', detail);
  return true;
};

test('a picture is one PUT and is read back with its type, name and metadata', async (t) => {
  const { store, operations, seen, stored } = await setup(t);
  const body = bytes(100_000);
  const put = await store.put({
    ...picture,
    body: flow(body),
    expect: { lengthBytes: body.byteLength },
    fileName: '照片 1.jpg',
    metadata: { mediaId: 'ab/c+d', account: '公众号' },
    signal: unhurried(),
  });
  assert.deepEqual(put, { sizeBytes: 100_000, sha256: sha256(body), multipart: false });
  assert.deepEqual(operations(), ['PUT']);
  assert.equal(seen[0]?.url.pathname, `/media/${picture.key}`);
  assert.equal(await stored(picture.key), sha256(body));
  assert.deepEqual(await store.head(picture.key, unhurried()), {
    sizeBytes: 100_000,
    contentType: 'image/jpeg',
    fileName: '照片 1.jpg',
    sha256: sha256(body),
    mark: undefined,
    metadata: { mediaid: 'ab/c+d', account: '公众号' },
  });
  const { headers, body: response } = (await store.get(picture.key, { signal: unhurried() }))!;
  response.destroy();
  assert.equal(headers['cache-control'], 'private');
  assert.equal(
    headers['content-disposition'],
    `inline; filename="__ 1.jpg"; filename*=UTF-8''%E7%85%A7%E7%89%87%201.jpg`,
  );
});

test('a video is a multipart upload whose id the caller gets before the first part', async (t) => {
  const { store, operations, stored, untilNoOpenUpload } = await setup(t, small);
  const body = bytes(2 * PART_BYTES + 7);
  let known: { uploadId: string; before: string[] } | undefined;
  const put = await store.put({
    ...picture,
    contentType: 'video/mp4',
    fileName: '影片.mp4',
    contentDisposition: 'attachment',
    metadata: { account: 'wx1' },
    body: flow(body),
    expect: { lengthBytes: body.byteLength },
    onMultipart: async (uploadId) => {
      await new Promise((resolve) => setImmediate(resolve));
      known = { uploadId, before: operations() };
    },
    signal: unhurried(),
  });
  assert.deepEqual(put, { sizeBytes: body.byteLength, sha256: sha256(body), multipart: true });
  assert.deepEqual(known?.before, ['list uploads', 'create']);
  assert.deepEqual(operations().toSorted(), [
    'HEAD',
    'complete',
    'create',
    'list uploads',
    'part 1',
    'part 2',
    'part 3',
  ]);
  assert.equal(await stored(picture.key), sha256(body));
  const head = await store.head(picture.key, unhurried());
  assert.deepEqual(
    [head?.contentType, head?.fileName, head?.metadata],
    ['video/mp4', '影片.mp4', { account: 'wx1' }],
  );
  const { headers, body: response } = (await store.get(picture.key, { signal: unhurried() }))!;
  response.destroy();
  assert.equal(headers['cache-control'], 'private');
  assert.match(headers['content-disposition'] ?? '', /^attachment; /);
  await untilNoOpenUpload();
});

test('a body that fits into one part is one PUT, with or without a known length', async (t) => {
  const { store, operations, stored } = await setup(t, small);
  for (const size of [0, 1, PART_BYTES]) {
    for (const expect of [undefined, { lengthBytes: size }]) {
      const body = bytes(size);
      const put = await store.put({ ...picture, body: flow(body), expect, signal: unhurried() });
      assert.deepEqual(put, { sizeBytes: size, sha256: sha256(body), multipart: false });
      assert.equal(await stored(picture.key), sha256(body));
    }
  }
  assert.ok(!operations().includes('create'));
});

test('a body of one byte more than a part is two parts, also with an unknown length', async (t) => {
  const { store, operations, stored } = await setup(t, small);
  const body = bytes(PART_BYTES + 1);
  const put = await store.put({ ...picture, body: flow(body), signal: unhurried() });
  assert.deepEqual(put, { sizeBytes: body.byteLength, sha256: sha256(body), multipart: true });
  assert.equal(operations().filter((operation) => operation.startsWith('part')).length, 2);
  assert.equal(await stored(picture.key), sha256(body));
});

for (const [size, path] of [
  [300_000, 'one PUT'],
  [THREE_PARTS, 'multipart'],
] as const) {
  test(`${path}: a short, long or altered body leaves no object and no open upload`, async (t) => {
    const { store, stored, operations, untilNoOpenUpload } = await setup(t, small);
    const body = bytes(size);
    const other = Buffer.from(body);
    other.writeUInt8(255, size - 1);
    const cases = [
      ['body_too_short', { lengthBytes: size + 1 }],
      ['body_too_long', { lengthBytes: size - 1 }],
      ['bytes_differ', { sha256: sha256(other), sizeBytes: size }],
      ['bytes_differ', { sha256: sha256(body), sizeBytes: size - 1 }],
    ] as const;
    for (const [code, expect] of cases) {
      await assert.rejects(
        store.put({ ...picture, body: flow(body), expect, signal: unhurried() }),
        failsWith(code),
      );
    }
    assert.equal(await stored(picture.key), undefined);
    await untilNoOpenUpload();
    assert.ok(!operations().includes('complete') && !operations().includes('PUT'));
  });

  test(`${path}: the error of the source is thrown, even where Abort fails too`, async (t) => {
    const { store, stored, injectFaults } = await setup(t, small);
    injectFaults(({ operation }) =>
      operation === 'abort' ? { status: 403, code: 'AccessDenied' } : undefined,
    );
    const cut = new Error('the download was cut');
    const body = flow(bytes(size), () => Promise.reject(cut));
    await assert.rejects(store.put({ ...picture, body, signal: unhurried() }), (error) => error === cut);
    assert.equal(await stored(picture.key), undefined);
  });

  test(`${path}: an aborted put does not wait for a silent source`, async (t) => {
    const { store, stored, untilNoOpenUpload } = await setup(t, small);
    const controller = new AbortController();
    let closed = false;
    async function* silent() {
      try {
        yield* flow(bytes(size));
        setImmediate(() => controller.abort(new Error('lock lost')));
        await never();
      } finally {
        closed = true;
      }
    }
    const startedAt = performance.now();
    const put = store.put({ ...picture, body: silent(), signal: controller.signal });
    await assert.rejects(put, /lock lost/);
    const abortedAfterMs = performance.now() - startedAt;
    assert.ok(abortedAfterMs < 10_000, `${abortedAfterMs} ms`);
    assert.equal(closed, false, 'a generator that waits in its own await cannot be closed');
    assert.equal(await stored(picture.key), undefined);
    await untilNoOpenUpload();
  });

  test(`${path}: a silent source is a timeout`, async (t) => {
    const { store, untilNoOpenUpload } = await setup(t, { ...small, sourceIdleTimeoutMs: 100 });
    const body = flow(bytes(size), never);
    await assert.rejects(store.put({ ...picture, body, signal: unhurried() }), failsWith('timeout'));
    await untilNoOpenUpload();
  });

  test(`${path}: an aborted put does not wait for a silent store`, async (t) => {
    const { store, injectFaults } = await setup(t, small);
    const controller = new AbortController();
    let abortedAtMs = 0;
    injectFaults(({ operation }) => {
      if (operation !== 'PUT' && operation !== 'part 2') return undefined;
      abortedAtMs = performance.now();
      controller.abort(new Error('closing'));
      return { stall: true };
    });
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: controller.signal });
    await assert.rejects(put, /closing/);
    assert.ok(performance.now() - abortedAtMs < 10_000);
  });

  test(`${path}: a silent store is unavailable`, async (t) => {
    const { store, injectFaults } = await setup(t, { ...small, idleTimeoutMs: 200 });
    injectFaults(({ operation }) => (/PUT|part/.test(operation) ? { stall: true } : undefined));
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, failsWith('store_unavailable', /UND_ERR_HEADERS_TIMEOUT/));
  });

  test(`${path}: temporary errors are retried: a 503, a reset, bytes changed on the way`, async (t) => {
    const { store, injectFaults, stored } = await setup(t, small);
    const errors = [{ status: 503, code: 'SlowDown' }, { reset: true }] as const;
    for (const fault of [...errors, { flipBit: true } as const]) {
      let left = 2;
      injectFaults(({ operation }) => (/PUT|part 1/.test(operation) && left-- > 0 ? fault : undefined));
      const body = bytes(size);
      await store.put({
        ...picture,
        body: flow(body),
        expect: { lengthBytes: size },
        signal: unhurried(),
      });
      assert.ok(left <= 0, 'the fault was injected');
      assert.equal(await stored(picture.key), sha256(body));
    }
  });

  test(`${path}: bytes that are changed on the way every time never become an object`, async (t) => {
    const { store, injectFaults, stored, untilNoOpenUpload } = await setup(t, small);
    injectFaults(({ operation }) => (/PUT|part 2/.test(operation) ? { flipBit: true } : undefined));
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, failsWith('store_unavailable', /HTTP 400 XAmzContentSHA256Mismatch/));
    assert.equal(await stored(picture.key), undefined);
    await untilNoOpenUpload();
  });

  test(`${path}: a refusal is a failure without secrets and is not retried`, async (t) => {
    const { store, injectFaults, operations } = await setup(t, small);
    injectFaults(({ operation }) =>
      /PUT|create/.test(operation) ? { status: 403, code: 'AccessDenied' } : undefined,
    );
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, (error: unknown) => {
      assert.ok(error instanceof FailureError);
      assert.deepEqual(error.failure, {
        code: 'store_refused',
        class: 'store',
        detail: 'HTTP 403 AccessDenied',
      });
      assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /AKID|Signature|Credential/);
      return true;
    });
    assert.equal(operations().filter((operation) => operation !== 'list uploads').length, 1);
  });

  test(`${path}: a Retry-After of minutes is left to the queue`, async (t) => {
    const { store, injectFaults } = await setup(t, small);
    injectFaults(() => ({ status: 503, code: 'SlowDown', headers: { 'retry-after': '120' } }));
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, (error: unknown) => {
      assert.ok(error instanceof FailureError);
      assert.equal(error.failure.code, 'store_unavailable');
      assert.equal(error.retryAfterMs, 120_000);
      return true;
    });
  });
}

test('wrong keys and buckets are refused by the server with a failure of their own', async (t) => {
  const wrong = [
    [{ secretAccessKey: `${SECRET_ACCESS_KEY}!` }, 'store_secret_wrong', /HTTP 403 SignatureDoesNotMatch/],
    [{ accessKeyId: 'AKIDOFSOMEBODYELSE' }, 'store_key_unknown', /HTTP 403 InvalidAccessKeyId/],
    [{ bucket: 'another' }, 'store_bucket_missing', /HTTP 404 NoSuchBucket/],
  ] as const;
  for (const [options, code, detail] of wrong) {
    const { store } = await setup(t, { ...small, ...options });
    for (const size of [10, TWO_PARTS]) {
      const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
      await assert.rejects(put, failsWith(code, detail));
    }
    for (const request of [() => store.checkHealth(unhurried()), () => store.head('a.jpg', unhurried())])
      await assert.rejects(request(), failsWith(code, detail));
  }
});

test('a port without a listener is unreachable', async (t) => {
  const { store } = await setup(t, { endpoint: 'http://127.0.0.1:9' });
  const put = store.put({ ...picture, body: flow(bytes(10)), signal: unhurried() });
  await assert.rejects(put, failsWith('store_unreachable', /ECONNREFUSED/));
});

/** The store does the request, but its response is a 500 or is lost with the connection. */
const LOST = [{ passThenStatus: 500 }, { passThenReset: true }] as const;
for (const lost of LOST) {
  test(`a picture whose response was lost is stored and not sent a fourth time (${JSON.stringify(lost)})`, async (t) => {
    const { store, injectFaults, operations, stored } = await setup(t);
    injectFaults(({ operation }) => (operation === 'PUT' ? lost : undefined));
    const body = bytes(100_000);
    const put = await store.put({
      ...picture,
      body: flow(body),
      expect: { lengthBytes: 100_000 },
      signal: unhurried(),
    });
    assert.equal(put.sha256, sha256(body));
    assert.equal(await stored(picture.key), sha256(body));
    assert.equal(operations().filter((operation) => operation === 'PUT').length, 3);
  });

  test(`a video whose response to Complete was lost is stored (${JSON.stringify(lost)})`, async (t) => {
    const { store, injectFaults, operations, stored, untilNoOpenUpload } = await setup(t, small);
    injectFaults(({ operation }) => (operation === 'complete' ? lost : undefined));
    const body = bytes(PART_BYTES + 1);
    await store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
    assert.equal(await stored(picture.key), sha256(body));
    assert.ok(!operations().includes('abort'));
    await untilNoOpenUpload();
  });
}

for (const lost of LOST) {
  test(`an upload whose response to Create was lost is not left open (${JSON.stringify(lost)})`, async (t) => {
    const { store, injectFaults, stored, openUploads, untilNoOpenUpload } = await setup(t, small);
    const body = bytes(PART_BYTES + 1);
    const put = () => store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
    let creates = 0;
    injectFaults(({ operation }) => (operation === 'create' && ++creates === 1 ? lost : undefined));
    await put();
    assert.equal(creates, 2);
    await untilNoOpenUpload(); // Create was retried
    injectFaults(({ operation }) => (operation === 'create' ? lost : undefined));
    await assert.rejects(put(), failsWith('store_unavailable'));
    assert.ok((await openUploads()) > 0, 'their ids are unknown');
    injectFaults(() => undefined);
    await put();
    assert.equal(await stored(picture.key), sha256(body));
    await untilNoOpenUpload(); // the next attempt finds them
  });
}

test('uploads of other keys with the same prefix are left alone', async (t) => {
  const { store, openUploads, beginUpload, operations } = await setup(t, small);
  const { key } = picture;
  const others = [`${key}-pic.mp4`, `${key}/part`, key.replace('m_1', 'm_10')];
  for (const other of [key, ...others]) await beginUpload(other);
  await store.put({ ...picture, body: flow(bytes(PART_BYTES + 1)), signal: unhurried() });
  assert.equal(operations().filter((operation) => operation === 'abort').length, 1, 'the one of this key');
  assert.equal(await openUploads(), others.length);
});

test('no part is sent after the Abort of its upload', async (t) => {
  const { store, injectFaults, operations, untilNoOpenUpload } = await setup(t, small);
  const refused = Promise.withResolvers<void>();
  let parts = 0;
  injectFaults(({ operation }) => {
    if (!operation.startsWith('part')) return undefined;
    if (++parts === 2) refused.resolve();
    return { status: 503, code: 'SlowDown', headers: { 'retry-after': '1' } };
  });
  const cut = new Error('the download was cut');
  const body = flow(bytes(THREE_PARTS), async () => {
    await refused.promise;
    throw cut;
  });
  await assert.rejects(store.put({ ...picture, body, signal: unhurried() }), (error) => error === cut);
  await untilNoOpenUpload();
  // Both parts would have been sent again after one second (Retry-After, whose unit is a second).
  await wait(1_200);
  assert.deepEqual(operations().slice(-1), ['abort']);
});

test('an upload is aborted where its put was aborted before the response to Create', async (t) => {
  const { store, injectFaults, operations, untilNoOpenUpload } = await setup(t, small);
  const controller = new AbortController();
  injectFaults(({ operation }) => {
    if (operation === 'create') controller.abort(new Error('closing'));
    return undefined;
  });
  const putting = store.put({ ...picture, body: flow(bytes(TWO_PARTS)), signal: controller.signal });
  await assert.rejects(putting, /closing/);
  for (const until = Date.now() + 10_000; !operations().includes('abort') && Date.now() < until; )
    await wait(10);
  assert.deepEqual(operations(), ['list uploads', 'create', 'abort']);
  await store.close();
  await untilNoOpenUpload();
});

test('an Abort succeeds where the upload does not exist, and fails where the store refuses it or is unavailable', async (t) => {
  const { store, injectFaults, beginUpload, openUploads } = await setup(t);
  const abort = async () => await store.abortMultipart(picture.key, 'f'.repeat(32), unhurried());
  await abort();
  await beginUpload(picture.key);
  for (const [fault, code] of [
    [{ status: 403, code: 'AccessDenied' }, 'store_refused'],
    [{ status: 503, code: 'SlowDown' }, 'store_unavailable'],
    [{ status: 404, code: 'NoSuchBucket' }, 'store_bucket_missing'],
  ] as const) {
    injectFaults(() => fault);
    await assert.rejects(abort(), failsWith(code));
  }
  assert.equal(await openUploads(), 1);
});

test('a 200 without an ETag is no success, neither of a PUT nor of a part', async (t) => {
  const { store, injectFaults, stored, untilNoOpenUpload } = await setup(t, small);
  injectFaults(({ operation }) => (/PUT|part 1/.test(operation) ? { text: 'welcome' } : undefined));
  for (const size of [10, TWO_PARTS]) {
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, failsWith('store_not_s3', /no ETag/));
  }
  assert.equal(await stored(picture.key), undefined);
  await untilNoOpenUpload();
});

test('a large file is stored in a bucket whose uploads may not be listed', async (t) => {
  const { store, injectFaults, stored } = await setup(t, small);
  injectFaults(({ operation }) => (operation === 'list uploads' ? { status: 403 } : undefined));
  const body = bytes(PART_BYTES + 1);
  await store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
  assert.equal(await stored(picture.key), sha256(body));
});

test('an object with other bytes does not make a failed PUT a success', async (t) => {
  const { store, injectFaults, stored } = await setup(t);
  const before = bytes(1000);
  await store.put({ ...picture, body: flow(before), expect: undefined, signal: unhurried() });
  injectFaults(({ operation }) => (operation === 'PUT' ? { status: 500 } : undefined));
  const other = Buffer.from(before).fill(7);
  const putting = store.put({ ...picture, body: flow(other), expect: undefined, signal: unhurried() });
  await assert.rejects(putting, failsWith('store_unavailable'));
  assert.equal(await stored(picture.key), sha256(before));
});

test('an object of the same size from an earlier upload does not make a failed Complete a success', async (t) => {
  const { store, injectFaults, untilNoOpenUpload } = await setup(t, small);
  const body = bytes(PART_BYTES + 1);
  await store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
  injectFaults(({ operation }) => (operation === 'complete' ? { status: 500 } : undefined));
  const putting = store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
  await assert.rejects(putting, failsWith('store_unavailable'));
  await untilNoOpenUpload();
});

test('a Complete that succeeded with a 500 is a success, as HEAD shows', async (t) => {
  const { store, injectFaults, stored, operations } = await setup(t, small);
  injectFaults(({ operation }) => (operation === 'complete' ? { passThenStatus: 500 } : undefined));
  const body = bytes(TWO_PARTS);
  const put = await store.put({ ...picture, body: flow(body), signal: unhurried() });
  assert.equal(put.multipart, true);
  assert.ok(operations().filter((operation) => operation === 'complete').length > 1, 'it was retried');
  assert.equal(await stored(picture.key), sha256(body));
});

test('a Complete that failed fails the put, and the upload is aborted', async (t) => {
  const { store, injectFaults, stored, untilNoOpenUpload } = await setup(t, small);
  injectFaults(({ operation }) => (operation === 'complete' ? { status: 500 } : undefined));
  const put = store.put({ ...picture, body: flow(bytes(TWO_PARTS)), signal: unhurried() });
  await assert.rejects(put, failsWith('store_unavailable', /HTTP 500 InternalError/));
  assert.equal(await stored(picture.key), undefined);
  await untilNoOpenUpload();
});

test('a Complete with a 200 and no object is a mismatch', async (t) => {
  const { store, injectFaults } = await setup(t, small);
  injectFaults(({ operation }) =>
    /HEAD|GET/.test(operation) ? { status: 404, code: 'NoSuchKey' } : undefined,
  );
  const put = store.put({ ...picture, body: flow(bytes(TWO_PARTS)), signal: unhurried() });
  await assert.rejects(
    put,
    failsWith('store_mismatch', new RegExp(`sent ${TWO_PARTS} bytes, HEAD finds no object`)),
  );
});

test('a refused part ends the put: the source is closed and no later part is sent', async (t) => {
  const { store, injectFaults, operations, untilNoOpenUpload } = await setup(t, small);
  injectFaults(({ operation }) =>
    operation === 'part 1' ? { status: 400, code: 'EntityTooSmall' } : undefined,
  );
  let readBytes = 0;
  let closed = false;
  async function* long() {
    try {
      for await (const chunk of flow(bytes(12 * PART_BYTES))) {
        readBytes += chunk.byteLength;
        yield chunk;
      }
    } finally {
      closed = true;
    }
  }
  const put = store.put({ ...picture, body: long(), signal: unhurried() });
  await assert.rejects(put, failsWith('store_refused', /HTTP 400 EntityTooSmall/));
  assert.ok(closed);
  assert.ok(readBytes < 6 * PART_BYTES, `${readBytes} bytes were read`);
  assert.ok(!operations().includes('part 5'));
  await untilNoOpenUpload();
});

test('an upload is aborted where onMultipart rejects, and its error is thrown', async (t) => {
  const { store, operations, untilNoOpenUpload } = await setup(t, small);
  const onMultipart = () => Promise.reject(new Error('database unavailable'));
  const put = store.put({ ...picture, body: flow(bytes(TWO_PARTS)), onMultipart, signal: unhurried() });
  await assert.rejects(put, /database unavailable/);
  assert.deepEqual(operations(), ['list uploads', 'create', 'abort']);
  await untilNoOpenUpload();
});

test('at most three parts of a file are in memory: two in flight and one being filled', async (t) => {
  const { store, injectFaults } = await setup(t, small);
  let readBytes = 0;
  const controller = new AbortController();
  injectFaults(({ operation }) => (operation.startsWith('part') ? { stall: true } : undefined));
  async function* counted() {
    for await (const chunk of flow(bytes(8 * PART_BYTES))) {
      readBytes += chunk.byteLength;
      yield chunk;
    }
  }
  const put = store.put({ ...picture, body: counted(), signal: controller.signal });
  // Waits until the source is no longer read: the same count many times.
  for (let before = -1, steady = 0; steady < 20; before = readBytes) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    steady = readBytes > 0 && readBytes === before ? steady + 1 : 0;
  }
  assert.ok(readBytes <= 3 * PART_BYTES + 2 * 65_536, `${readBytes} bytes were taken`);
  controller.abort(new Error('enough'));
  await assert.rejects(put, /enough/);
});

for (const [path, size, digests] of [
  ['one PUT', 100_000, ['PUT']],
  ['parts', THREE_PARTS, ['part 1', 'part 2', 'part 3']],
] as const) {
  test(`${path}: a bucket with default retention gets Content-MD5 after its first refusal`, async (t) => {
    const { store, injectFaults, seen, stored } = await setup(t, small);
    const isUpload = (operation: string) => /^(PUT|part)/.test(operation);
    // As AWS does: the signed payload hash does not count. The embedded server verifies the digest.
    injectFaults(({ operation, headers }) =>
      isUpload(operation) && !headers['content-md5'] ? { status: 400, code: 'InvalidRequest' } : undefined,
    );
    for (const learned of [false, true]) {
      seen.length = 0;
      const body = bytes(size);
      await store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
      assert.equal(await stored(picture.key), sha256(body));
      const uploads = seen.filter(({ operation }) => isUpload(operation));
      const withDigest = uploads.filter(({ headers }) => headers['content-md5']);
      assert.deepEqual(withDigest.map(({ operation }) => operation).sort(), digests);
      assert.equal(
        uploads.length > withDigest.length,
        !learned,
        'refused before it was learned, never after',
      );
    }
  });
}

test('a PUT that is refused with a digest too fails, and the digest is not sent with later ones', async (t) => {
  const { store, injectFaults, seen } = await setup(t);
  const put = () => store.put({ ...picture, body: flow(bytes(10)), expect: undefined, signal: unhurried() });
  injectFaults(({ operation }) =>
    operation === 'PUT' ? { status: 400, code: 'InvalidRequest' } : undefined,
  );
  await assert.rejects(put(), failsWith('store_refused', /HTTP 400 InvalidRequest/));
  assert.deepEqual(
    seen.map(({ headers }) => 'content-md5' in headers),
    [false, true],
  );
  injectFaults(() => undefined);
  await put();
  assert.equal('content-md5' in seen.at(-1)!.headers, false);
});
