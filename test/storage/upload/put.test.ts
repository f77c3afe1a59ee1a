import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { FailureError } from '../../../src/failures.ts';
import { bytes, flow, MIB, never, picture, SECRET_ACCESS_KEY, setup, sha256 } from '../setup.ts';

const unhurried = () => AbortSignal.timeout(30_000);
/** The smallest part S3 knows, so that tests move few bytes. */
const small = { partSizeBytes: 5 * MIB };
const failsWith = (code: string, detail?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FailureError, `a ${String(error)}`);
  assert.equal(error.failure.code, code);
  if (detail) assert.match(error.failure.detail ?? '', detail);
  return true;
};

test('a picture is one PUT, and comes back with its type, name and metadata', async (t) => {
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
  const { headers, body: answer } = (await store.get(picture.key, { signal: unhurried() }))!;
  answer.destroy();
  assert.equal(headers['cache-control'], 'private');
  assert.equal(
    headers['content-disposition'],
    `inline; filename="__ 1.jpg"; filename*=UTF-8''%E7%85%A7%E7%89%87%201.jpg`,
  );
});

test('a video is multipart: known to the caller before its first part, whole and read back', async (t) => {
  const { store, operations, stored, openUploads } = await setup(t, small);
  const body = bytes(12 * MIB + 7);
  let known: { uploadId: string; before: string[] } | undefined;
  const put = await store.put({
    ...picture,
    contentType: 'video/mp4',
    fileName: '影片.mp4',
    disposition: 'attachment',
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
  const { headers, body: answer } = (await store.get(picture.key, { signal: unhurried() }))!;
  answer.destroy();
  assert.equal(headers['cache-control'], 'private');
  assert.match(headers['content-disposition'] ?? '', /^attachment; /);
  assert.equal(await openUploads(), 0);
});

test('what fits into one part needs no multipart, whether or not its length was known', async (t) => {
  const { store, operations, stored } = await setup(t, small);
  for (const size of [0, 1, 5 * MIB]) {
    for (const expect of [undefined, { lengthBytes: size }]) {
      const body = bytes(size);
      const put = await store.put({ ...picture, body: flow(body), expect, signal: unhurried() });
      assert.deepEqual(put, { sizeBytes: size, sha256: sha256(body), multipart: false });
      assert.equal(await stored(picture.key), sha256(body));
    }
  }
  assert.ok(!operations().includes('create'));
});

test('one byte more than a part is two parts, also of unknown length', async (t) => {
  const { store, operations, stored } = await setup(t, small);
  const body = bytes(5 * MIB + 1);
  const put = await store.put({ ...picture, body: flow(body), signal: unhurried() });
  assert.deepEqual(put, { sizeBytes: body.byteLength, sha256: sha256(body), multipart: true });
  assert.equal(operations().filter((operation) => operation.startsWith('part')).length, 2);
  assert.equal(await stored(picture.key), sha256(body));
});

for (const [size, path] of [
  [300_000, 'one PUT'],
  [11 * MIB, 'multipart'],
] as const) {
  test(`${path}: a short, long or altered body leaves no object and no open upload`, async (t) => {
    const { store, stored, openUploads, operations } = await setup(t, small);
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
    assert.equal(await openUploads(), 0);
    assert.ok(!operations().includes('complete') && !operations().includes('PUT'));
  });

  test(`${path}: the source's own error comes through, even where Abort fails too`, async (t) => {
    const { store, stored, meddle } = await setup(t, small);
    meddle(({ operation }) => (operation === 'abort' ? { answer: 403, code: 'AccessDenied' } : undefined));
    const cut = new Error('the download was cut');
    const body = flow(bytes(size), () => Promise.reject(cut));
    await assert.rejects(store.put({ ...picture, body, signal: unhurried() }), (error) => error === cut);
    assert.equal(await stored(picture.key), undefined);
  });

  test(`${path}: a caller who gives up on a silent source is not kept waiting for it`, async (t) => {
    const { store, stored, openUploads } = await setup(t, small);
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
    assert.equal(
      closed,
      false,
      'a generator asleep in its own await cannot be closed, and must not be waited for',
    );
    assert.equal(await stored(picture.key), undefined);
    assert.equal(await openUploads(), 0);
  });

  test(`${path}: a source that falls silent is a timeout`, async (t) => {
    const { store, untilNoOpenUpload } = await setup(t, { ...small, sourceIdleTimeoutMs: 100 });
    const body = flow(bytes(size), never);
    await assert.rejects(store.put({ ...picture, body, signal: unhurried() }), failsWith('timeout'));
    await untilNoOpenUpload();
  });

  test(`${path}: a caller who gives up on a silent store is not kept waiting for it`, async (t) => {
    const { store, meddle } = await setup(t, small);
    const controller = new AbortController();
    let at = 0;
    meddle(({ operation }) => {
      if (operation !== 'PUT' && operation !== 'part 2') return undefined;
      at = performance.now();
      controller.abort(new Error('closing'));
      return { stall: true };
    });
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: controller.signal });
    await assert.rejects(put, /closing/);
    assert.ok(performance.now() - at < 10_000);
  });

  test(`${path}: a store that falls silent is unavailable`, async (t) => {
    const { store, meddle } = await setup(t, { ...small, idleTimeoutMs: 200 });
    meddle(({ operation }) => (/PUT|part/.test(operation) ? { stall: true } : undefined));
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, failsWith('store_unavailable', /UND_ERR_HEADERS_TIMEOUT/));
  });

  test(`${path}: hiccups are repeated: an error, a reset, bytes that changed on the way`, async (t) => {
    const { store, meddle, stored } = await setup(t, small);
    const hiccups = [{ answer: 503, code: 'SlowDown' }, { reset: true }] as const;
    for (const hiccup of [...hiccups, { flipBit: true } as const]) {
      let left = 2;
      meddle(({ operation }) => (/PUT|part 1/.test(operation) && left-- > 0 ? hiccup : undefined));
      const body = bytes(size);
      await store.put({
        ...picture,
        body: flow(body),
        expect: { lengthBytes: size },
        signal: unhurried(),
      });
      assert.ok(left <= 0, 'the hiccup happened');
      assert.equal(await stored(picture.key), sha256(body));
    }
  });

  test(`${path}: bytes that change on the way every time never become an object`, async (t) => {
    const { store, meddle, stored, openUploads } = await setup(t, small);
    meddle(({ operation }) => (/PUT|part 2/.test(operation) ? { flipBit: true } : undefined));
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, failsWith('store_unavailable', /HTTP 400 XAmzContentSHA256Mismatch/));
    assert.equal(await stored(picture.key), undefined);
    assert.equal(await openUploads(), 0);
  });

  test(`${path}: a refusal is said in words, without a secret, and not repeated`, async (t) => {
    const { store, meddle, operations } = await setup(t, small);
    meddle(({ operation }) =>
      /PUT|create/.test(operation) ? { answer: 403, code: 'AccessDenied' } : undefined,
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

  test(`${path}: a store that asks for more patience than seconds is left to the queue`, async (t) => {
    const { store, meddle } = await setup(t, small);
    meddle(() => ({ answer: 503, code: 'SlowDown', headers: { 'retry-after': '120' } }));
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, (error: unknown) => {
      assert.ok(error instanceof FailureError);
      assert.equal(error.failure.code, 'store_unavailable');
      assert.equal(error.retryAfterMs, 120_000);
      return true;
    });
  });
}

test('keys and buckets that are wrong are refused by the server and named', async (t) => {
  const wrong = [
    [{ secretAccessKey: `${SECRET_ACCESS_KEY}!` }, 'store_secret_wrong', /HTTP 403 SignatureDoesNotMatch/],
    [{ accessKeyId: 'AKIDOFSOMEBODYELSE' }, 'store_key_unknown', /HTTP 403 InvalidAccessKeyId/],
    [{ bucket: 'another' }, 'store_bucket_missing', /HTTP 404 NoSuchBucket/],
  ] as const;
  for (const [options, code, detail] of wrong) {
    const { store } = await setup(t, { ...small, ...options });
    for (const size of [10, 6 * MIB]) {
      const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
      await assert.rejects(put, failsWith(code, detail));
    }
    for (const ask of [() => store.checkHealth(unhurried()), () => store.head('a.jpg', unhurried())])
      await assert.rejects(ask(), failsWith(code, detail));
  }
});

test('a port where nobody listens is unreachable', async (t) => {
  const { store } = await setup(t, { endpoint: 'http://127.0.0.1:9' });
  const put = store.put({ ...picture, body: flow(bytes(10)), signal: unhurried() });
  await assert.rejects(put, failsWith('store_unreachable', /ECONNREFUSED/));
});

/** Done by the store, and never heard of: a 500 in place of the answer, or a connection that breaks. */
const LOST = [{ passThenAnswer: 500 }, { passThenReset: true }] as const;
for (const lost of LOST) {
  test(`a picture whose answer was lost is stored, not sent a fourth time (${JSON.stringify(lost)})`, async (t) => {
    const { store, meddle, operations, stored } = await setup(t);
    meddle(({ operation }) => (operation === 'PUT' ? lost : undefined));
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

  test(`a video whose Complete was not heard of is stored (${JSON.stringify(lost)})`, async (t) => {
    const { store, meddle, operations, stored, openUploads } = await setup(t, small);
    meddle(({ operation }) => (operation === 'complete' ? lost : undefined));
    const body = bytes(5 * MIB + 1);
    await store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
    assert.equal(await stored(picture.key), sha256(body));
    assert.ok(!operations().includes('abort'));
    assert.equal(await openUploads(), 0);
  });
}

for (const lost of LOST) {
  test(`an upload whose start was not heard of is not left open (${JSON.stringify(lost)})`, async (t) => {
    const { store, meddle, stored, openUploads } = await setup(t, small);
    const body = bytes(5 * MIB + 1);
    const put = () => store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
    let starts = 0;
    meddle(({ operation }) => (operation === 'create' && ++starts === 1 ? lost : undefined));
    await put();
    assert.equal(starts, 2);
    assert.equal(await openUploads(), 0, 'the start was repeated');
    meddle(({ operation }) => (operation === 'create' ? lost : undefined));
    await assert.rejects(put(), failsWith('store_unavailable'));
    assert.ok((await openUploads()) > 0, 'nobody knows their names');
    meddle(() => undefined);
    await put();
    assert.equal(await stored(picture.key), sha256(body));
    assert.equal(await openUploads(), 0, 'the next try finds them');
  });
}

test('uploads of other keys that begin alike are let be', async (t) => {
  const { store, openUploads, beginUpload, operations } = await setup(t, small);
  const { key } = picture;
  const others = [`${key}-pic.mp4`, `${key}/part`, key.replace('m_1', 'm_10')];
  for (const other of [key, ...others]) await beginUpload(other);
  await store.put({ ...picture, body: flow(bytes(5 * MIB + 1)), signal: unhurried() });
  assert.equal(operations().filter((operation) => operation === 'abort').length, 1, 'the one of this key');
  assert.equal(await openUploads(), others.length);
});

test('nothing of an upload is sent once its Abort is', async (t) => {
  const { store, meddle, operations, openUploads } = await setup(t, small);
  const refused = Promise.withResolvers<void>();
  let parts = 0;
  meddle(({ operation }) => {
    if (!operation.startsWith('part')) return undefined;
    if (++parts === 2) refused.resolve();
    return { answer: 503, code: 'SlowDown', headers: { 'retry-after': '1' } };
  });
  const cut = new Error('the download was cut');
  const body = flow(bytes(11 * MIB), async () => {
    await refused.promise;
    throw cut;
  });
  await assert.rejects(store.put({ ...picture, body, signal: unhurried() }), (error) => error === cut);
  assert.equal(await openUploads(), 0);
  // Beyond the second after which both parts would have been sent again.
  await wait(1_200);
  assert.deepEqual(operations().slice(-1), ['abort']);
});

test('an upload whose start was answered when its caller had left is aborted', async (t) => {
  const { store, meddle, operations, openUploads } = await setup(t, small);
  const controller = new AbortController();
  meddle(({ operation }) => {
    if (operation === 'create') controller.abort(new Error('closing'));
    return undefined;
  });
  const putting = store.put({ ...picture, body: flow(bytes(6 * MIB)), signal: controller.signal });
  await assert.rejects(putting, /closing/);
  for (const until = Date.now() + 10_000; !operations().includes('abort') && Date.now() < until; )
    await wait(10);
  assert.deepEqual(operations(), ['list uploads', 'create', 'abort']);
  await store.close();
  assert.equal(await openUploads(), 0);
});

test('an Abort is done where the upload is gone, and not where the store refuses it or is away', async (t) => {
  const { store, meddle, beginUpload, openUploads } = await setup(t);
  const abort = async () => await store.abortMultipart(picture.key, 'f'.repeat(32), unhurried());
  await abort();
  await beginUpload(picture.key);
  for (const [mischief, code] of [
    [{ answer: 403, code: 'AccessDenied' }, 'store_refused'],
    [{ answer: 503, code: 'SlowDown' }, 'store_unavailable'],
    [{ answer: 404, code: 'NoSuchBucket' }, 'store_bucket_missing'],
  ] as const) {
    meddle(() => mischief);
    await assert.rejects(abort(), failsWith(code));
  }
  assert.equal(await openUploads(), 1);
});

test('200 without the name of what was kept is no success: neither of a PUT nor of a part', async (t) => {
  const { store, meddle, stored, openUploads } = await setup(t, small);
  meddle(({ operation }) => (/PUT|part 1/.test(operation) ? { text: 'welcome' } : undefined));
  for (const size of [10, 6 * MIB]) {
    const put = store.put({ ...picture, body: flow(bytes(size)), signal: unhurried() });
    await assert.rejects(put, failsWith('store_not_s3', /no ETag/));
  }
  assert.equal(await stored(picture.key), undefined);
  assert.equal(await openUploads(), 0);
});

test('a bucket whose uploads may not be listed takes large files none the less', async (t) => {
  const { store, meddle, stored } = await setup(t, small);
  meddle(({ operation }) => (operation === 'list uploads' ? { answer: 403 } : undefined));
  const body = bytes(5 * MIB + 1);
  await store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
  assert.equal(await stored(picture.key), sha256(body));
});

test('other bytes under the key are no answer to a PUT that was refused', async (t) => {
  const { store, meddle, stored } = await setup(t);
  const before = bytes(1000);
  await store.put({ ...picture, body: flow(before), expect: undefined, signal: unhurried() });
  meddle(({ operation }) => (operation === 'PUT' ? { answer: 500 } : undefined));
  const other = Buffer.from(before).fill(7);
  const putting = store.put({ ...picture, body: flow(other), expect: undefined, signal: unhurried() });
  await assert.rejects(putting, failsWith('store_unavailable'));
  assert.equal(await stored(picture.key), sha256(before));
});

test('an object of the same size that an earlier upload left is no answer to a Complete that failed', async (t) => {
  const { store, meddle, openUploads } = await setup(t, small);
  const body = bytes(5 * MIB + 1);
  await store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
  meddle(({ operation }) => (operation === 'complete' ? { answer: 500 } : undefined));
  const putting = store.put({ ...picture, body: flow(body), expect: undefined, signal: unhurried() });
  await assert.rejects(putting, failsWith('store_unavailable'));
  assert.equal(await openUploads(), 0);
});

test('Complete that was done but answered 500 is a success: the object tells', async (t) => {
  const { store, meddle, stored, operations } = await setup(t, small);
  meddle(({ operation }) => (operation === 'complete' ? { passThenAnswer: 500 } : undefined));
  const body = bytes(6 * MIB);
  const put = await store.put({ ...picture, body: flow(body), signal: unhurried() });
  assert.equal(put.multipart, true);
  assert.ok(operations().filter((operation) => operation === 'complete').length > 1, 'it was repeated');
  assert.equal(await stored(picture.key), sha256(body));
});

test('Complete that was not done fails, and the upload is aborted', async (t) => {
  const { store, meddle, stored, openUploads } = await setup(t, small);
  meddle(({ operation }) => (operation === 'complete' ? { answer: 500 } : undefined));
  const put = store.put({ ...picture, body: flow(bytes(6 * MIB)), signal: unhurried() });
  await assert.rejects(put, failsWith('store_unavailable', /HTTP 500 InternalError/));
  assert.equal(await stored(picture.key), undefined);
  assert.equal(await openUploads(), 0);
});

test('Complete that was answered 200 over nothing is a mismatch', async (t) => {
  const { store, meddle } = await setup(t, small);
  meddle(({ operation }) => (/HEAD|GET/.test(operation) ? { answer: 404, code: 'NoSuchKey' } : undefined));
  const put = store.put({ ...picture, body: flow(bytes(6 * MIB)), signal: unhurried() });
  await assert.rejects(put, failsWith('store_mismatch', /sent 6291456 bytes, HEAD finds no object/));
});

test('a part that fails for good ends the whole: the source is closed and no later part is sent', async (t) => {
  const { store, meddle, operations, untilNoOpenUpload } = await setup(t, small);
  meddle(({ operation }) => (operation === 'part 1' ? { answer: 400, code: 'EntityTooSmall' } : undefined));
  let given = 0;
  let closed = false;
  async function* long() {
    try {
      for await (const chunk of flow(bytes(60 * MIB))) {
        given += chunk.byteLength;
        yield chunk;
      }
    } finally {
      closed = true;
    }
  }
  const put = store.put({ ...picture, body: long(), signal: unhurried() });
  await assert.rejects(put, failsWith('store_refused', /HTTP 400 EntityTooSmall/));
  assert.ok(closed);
  assert.ok(given < 30 * MIB, `${given} bytes were read`);
  assert.ok(!operations().includes('part 5'));
  await untilNoOpenUpload();
});

test('a caller who cannot note the upload id gets his error, and the upload is aborted', async (t) => {
  const { store, operations, openUploads } = await setup(t, small);
  const onMultipart = () => Promise.reject(new Error('database away'));
  const put = store.put({ ...picture, body: flow(bytes(6 * MIB)), onMultipart, signal: unhurried() });
  await assert.rejects(put, /database away/);
  assert.deepEqual(operations(), ['list uploads', 'create', 'abort']);
  assert.equal(await openUploads(), 0);
});

test('no more than three parts of a file are held: two on their way, one filling', async (t) => {
  const { store, meddle } = await setup(t, small);
  let given = 0;
  const controller = new AbortController();
  meddle(({ operation }) => (operation.startsWith('part') ? { stall: true } : undefined));
  async function* counted() {
    for await (const chunk of flow(bytes(40 * MIB))) {
      given += chunk.byteLength;
      yield chunk;
    }
  }
  const put = store.put({ ...picture, body: counted(), signal: controller.signal });
  // Waits until the source is no longer asked: the same count over many turns of the loop.
  for (let before = -1, calm = 0; calm < 20; before = given) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    calm = given > 0 && given === before ? calm + 1 : 0;
  }
  assert.ok(given <= 15 * MIB + 2 * 65_536, `${given} bytes were taken`);
  controller.abort(new Error('enough'));
  await assert.rejects(put, /enough/);
});

for (const [path, size, digests] of [
  ['one PUT', 100_000, ['PUT']],
  ['parts', 11 * MIB, ['part 1', 'part 2', 'part 3']],
] as const) {
  test(`${path}: a bucket with default retention gets Content-MD5, and its wish is learned once`, async (t) => {
    const { store, meddle, seen, stored } = await setup(t, small);
    const isUpload = (operation: string) => /^(PUT|part)/.test(operation);
    // As AWS: the signed payload hash does not count. The embedded server compares the digest with the body.
    meddle(({ operation, headers }) =>
      isUpload(operation) && !headers['content-md5'] ? { answer: 400, code: 'InvalidRequest' } : undefined,
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

test('what is refused with a digest too is refused, and the digest is not sent with all that follows', async (t) => {
  const { store, meddle, seen } = await setup(t);
  const put = () => store.put({ ...picture, body: flow(bytes(10)), expect: undefined, signal: unhurried() });
  meddle(({ operation }) => (operation === 'PUT' ? { answer: 400, code: 'InvalidRequest' } : undefined));
  await assert.rejects(put(), failsWith('store_refused', /HTTP 400 InvalidRequest/));
  assert.deepEqual(
    seen.map(({ headers }) => 'content-md5' in headers),
    [false, true],
  );
  meddle(() => undefined);
  await put();
  assert.equal('content-md5' in seen.at(-1)!.headers, false);
});
