/** The file itself: by a signed link, through the server, or the reason why there is none. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { runChecks } from '../../../../src/app/checks.ts';
import { openPreviews } from '../../../../src/app/server-parts/previews.ts';
import { parseApiKeys } from '../../../../src/config/api-keys.ts';
import { idOf } from '../../../../src/media.ts';
import { createIngest } from '../../../../src/pipeline/ingest/ingest.ts';
import { createRepeatedLog } from '../../../../src/runtime/repeated-log.ts';
import { buildServer } from '../../../../src/server/app.ts';
import { createAccess } from '../../../../src/server/auth/access.ts';
import { openTestServer, PLAIN, reference, type TestServer } from '../../setup.ts';

const parseApiKeysOf = (text: string) => {
  const parsed = parseApiKeys(text);
  assert.ok('value' in parsed);
  return parsed.value;
};
const rejectsAfter = (ms: number) =>
  new Promise((_, reject) =>
    setTimeout(() => reject(new Error('the request to the store was not aborted')), ms).unref(),
  );

describe('content', () => {
  let s: TestServer;
  const body = randomBytes(100_000);
  let id: string;
  before(async () => {
    s = await openTestServer();
    id = await s.createArchived(reference(), { body, contentType: 'image/jpeg', extension: 'jpg' });
  });
  after(() => s.close());

  const get = (query = '', headers: Record<string, string> = {}, method = 'GET') =>
    s.call(`/v1/media/${id}/content${query}`, { key: 'read', headers, method });
  const bytes = async (response: Response) => Buffer.from(await response.arrayBuffer());

  it('of an archived media item is a link that works, the same inside its window', async () => {
    const [first, second] = [await get(), await get()];
    assert.equal(first.status, 302);
    const location = first.headers.get('location') as string;
    assert.equal(second.headers.get('location'), location);
    assert.deepEqual(await bytes(await fetch(location)), body);
  });

  it('is streamed whole by the server, with headers that keep it from being executed', async () => {
    const response = await get('?proxy=true');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'image/jpeg');
    assert.equal(response.headers.get('content-length'), String(body.length));
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.match(response.headers.get('content-security-policy') ?? '', /sandbox/);
    assert.match(response.headers.get('content-disposition') ?? '', /^inline/);
    assert.deepEqual(await bytes(response), body);
  });

  for (const [contentType, extension] of [
    ['image/svg+xml', 'svg'],
    ['text/html; charset=utf-8', 'html'],
    ['application/xhtml+xml', 'xhtml'],
    ['application/pdf', 'pdf'],
    ['text/xml', 'xml'],
    ['application/octet-stream', 'bin'],
  ] as const) {
    it(`of the type ${contentType} is an attachment, although the store says inline`, async () => {
      const script = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
      const fileName = `报告.${extension}`;
      const stored = { body: script, contentType, extension, fileName };
      const its = await s.createArchived(reference(), stored);
      const response = await s.call(`/v1/media/${its}/content?proxy=true`, { key: 'read' });
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-disposition') ?? '', /^attachment/);
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
      assert.deepEqual(await bytes(response), script);
    });
  }

  it('is cached only by the browser, and nothing in it may be executed', async () => {
    for (const query of ['', '?proxy=true']) {
      const response = await get(query);
      const cache = response.headers.get('cache-control') ?? '';
      assert.match(cache, /(^|, )private(,|$)/, query);
      assert.doesNotMatch(cache, /public|s-maxage/, query);
    }
    const policy = (await get('?proxy=true')).headers.get('content-security-policy') ?? '';
    assert.deepEqual(policy.split(/; ?/).toSorted(), [
      "default-src 'none'",
      "img-src 'self'",
      "media-src 'self'",
      'sandbox',
    ]);
    const row = await s.call(`/v1/media/${id}?include=link`, { key: 'read' });
    assert.equal(row.headers.get('cache-control'), 'no-store');
  });

  it('is shown by pages that allow only scripts of this server', async () => {
    for (const path of ['/', '/login', '/queues', '/docs/static/index.html', '/v1/stats']) {
      const response = await s.call(path, { key: 'admin' });
      const policy = response.headers.get('content-security-policy') ?? '';
      const directives = new Map(
        policy.split(/; ?/).map((one) => [one.split(' ')[0], one.split(' ').slice(1)]),
      );
      assert.deepEqual(directives.get('default-src'), ["'none'"], path);
      assert.deepEqual(directives.get('script-src'), ["'self'"], path);
      assert.deepEqual(directives.get('frame-ancestors'), ["'none'"], path);
      for (const name of ['script-src-elem', 'script-src-attr', 'object-src', 'worker-src'])
        assert.equal(directives.get(name), undefined, `${path} ${name}`);
      assert.ok(["'none'", "'self'"].includes(directives.get('base-uri')?.[0] ?? ''), path);
    }
  });

  it('of an archived media item whose object is missing is the problem object_missing', async () => {
    const lost = await s.createArchived(reference(), { body, contentType: 'image/jpeg', extension: 'jpg' });
    const row = await s.context.catalogue.media.get(lost);
    await s.context.store.delete(row!.objectKey!, AbortSignal.timeout(5_000));
    for (const headers of [{}, { range: 'bytes=0-0' }] as Record<string, string>[]) {
      const response = await s.call(`/v1/media/${lost}/content?proxy=true`, { key: 'read', headers });
      const problem = (await response.json()) as Record<string, unknown>;
      assert.deepEqual([response.status, problem.code], [404, 'object_missing']);
      assert.match(String(problem.advice), /wma verify/);
    }
  });

  it('is served in ranges', async () => {
    const middle = await get('?proxy=true', { range: 'bytes=10-19' });
    assert.equal(middle.status, 206);
    assert.equal(middle.headers.get('content-range'), 'bytes 10-19/100000');
    assert.deepEqual(await bytes(middle), body.subarray(10, 20));
    assert.deepEqual(await bytes(await get('?proxy=true', { range: 'bytes=-5' })), body.subarray(-5));
    assert.deepEqual(await bytes(await get('?proxy=true', { range: 'bytes=99990-' })), body.subarray(99_990));
  });

  it('gets 416 with its size for a range beyond its end', async () => {
    const response = await get('?proxy=true', { range: 'bytes=100000-' });
    const problem = (await response.json()) as Record<string, unknown>;
    assert.deepEqual(
      [response.status, problem.code, problem.sizeBytes],
      [416, 'range_not_satisfiable', 100_000],
    );
  });

  it('is served whole for an invalid range or with If-Range', async () => {
    for (const range of ['bytes=a-b', 'bytes=1-2,5-6', 'lines=1-2', 'bytes=-', `bytes=${'9'.repeat(400)}-`]) {
      const response = await get('?proxy=true', { range });
      assert.equal(response.status, 200, range);
      assert.equal((await bytes(response)).length, body.length);
    }
    const conditional = await get('?proxy=true', { range: 'bytes=0-1', 'if-range': '"other"' });
    assert.equal((await bytes(conditional)).length, body.length);
  });

  it('has its length in the response to HEAD', async () => {
    const response = await get('?proxy=true', {}, 'HEAD');
    assert.deepEqual([response.status, response.headers.get('content-length')], [200, '100000']);
  });

  it('aborts the request to the store when the client disconnects', async () => {
    const passed = Promise.withResolvers<AbortSignal>();
    const endless = new ReadableStream({
      pull: (queue) => queue.enqueue(Buffer.alloc(65_536)),
    });
    const app = await buildServer({
      ...s.context,
      store: {
        ...s.context.store,
        get: async (_key, { signal }) => {
          passed.resolve(signal);
          return { status: 200, headers: {}, body: Readable.fromWeb(endless as never) };
        },
      },
      repeatedLog: createRepeatedLog(s.context.log),
      previews: openPreviews(s.context, createRepeatedLog(s.context.log)),
      forgetChecks: () => undefined,
      runChecks: () => runChecks(s.context.gather),
      checkAccount: async () => undefined,
      access: createAccess(parseApiKeysOf('read:read-secret-0123456789'), {
        clock: s.context.clock,
        revocations: s.context.catalogue.revocations,
      }),
      ingest: createIngest({ ...s.context, onAccepted: () => undefined }),
    });
    try {
      const url = await app.listen({ host: '127.0.0.1', port: 0 });
      const leaving = new AbortController();
      const response = await fetch(`${url}/v1/media/${id}/content?proxy=true`, {
        headers: { authorization: 'Bearer read-secret-0123456789' },
        signal: leaving.signal,
      });
      await response.body?.getReader().read();
      const signal = await passed.promise;
      assert.equal(signal.aborted, false);
      const ended = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      leaving.abort();
      await Promise.race([ended, rejectsAfter(5_000)]);
    } finally {
      await app.close();
    }
  });

  it('is still served after a client disconnected in the middle', async () => {
    const controller = new AbortController();
    const response = await fetch(`${s.url}/v1/media/${id}/content?proxy=true`, {
      headers: { authorization: 'Bearer read-secret-0123456789' },
      signal: controller.signal,
    });
    await response.body?.getReader().read();
    controller.abort();
    assert.equal((await get('?proxy=true')).status, 200);
  });

  it('of a pending media item is 202 with Retry-After', async () => {
    const one = reference();
    await s.context.accept([one]);
    const response = await s.call(`/v1/media/${idOf(PLAIN.account, one.mediaId)}/content`, { key: 'read' });
    assert.equal(response.status, 202);
    assert.ok(Number(response.headers.get('retry-after')) > 0);
    assert.equal(((await response.json()) as { status: string }).status, 'pending');
  });

  it('of a dead media item is 410 with the reason', async () => {
    const dead = await s.createDead(reference());
    const response = await s.call(`/v1/media/${dead}/content`, {
      key: 'read',
      headers: { 'accept-language': 'zh' },
    });
    const problem = (await response.json()) as {
      code: string;
      mediaStatus: string;
      failure: { message: string };
    };
    assert.deepEqual([response.status, problem.code, problem.mediaStatus], [410, 'media_gone', 'dead']);
    assert.match(problem.failure.message, /文件大小/);
  });

  it('rejects unknown parameters', async () => {
    assert.equal((await get('?proxy=maybe')).status, 400);
    assert.equal((await get('?download=1')).status, 400);
  });
});
