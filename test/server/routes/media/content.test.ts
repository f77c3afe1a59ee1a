/** The file itself: by a signed link, through the server, or a reason why not. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { runChecks } from '../../../../src/app/checks.ts';
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
    setTimeout(() => reject(new Error('the request to the store goes on')), ms).unref(),
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
  const bytes = async (answer: Response) => Buffer.from(await answer.arrayBuffer());

  it('of an archived media is a link that opens, the same inside its window', async () => {
    const [first, second] = [await get(), await get()];
    assert.equal(first.status, 302);
    const location = first.headers.get('location') as string;
    assert.equal(second.headers.get('location'), location);
    assert.deepEqual(await bytes(await fetch(location)), body);
  });

  it('comes through the server whole, and never runs', async () => {
    const answer = await get('?proxy=true');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'image/jpeg');
    assert.equal(answer.headers.get('content-length'), String(body.length));
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.match(answer.headers.get('content-security-policy') ?? '', /sandbox/);
    assert.match(answer.headers.get('content-disposition') ?? '', /^inline/);
    assert.deepEqual(await bytes(answer), body);
  });

  for (const [contentType, extension] of [
    ['image/svg+xml', 'svg'],
    ['text/html; charset=utf-8', 'html'],
    ['application/xhtml+xml', 'xhtml'],
    ['application/pdf', 'pdf'],
    ['text/xml', 'xml'],
    ['application/octet-stream', 'bin'],
  ] as const) {
    it(`of the type ${contentType} is an attachment, though the store says inline`, async () => {
      const script = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
      const fileName = `报告.${extension}`;
      const stored = { body: script, contentType, extension, fileName };
      const its = await s.createArchived(reference(), stored);
      const answer = await s.call(`/v1/media/${its}/content?proxy=true`, { key: 'read' });
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get('content-disposition') ?? '', /^attachment/);
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
      assert.deepEqual(await bytes(answer), script);
    });
  }

  it('is a person’s picture: no cache but the reader’s own may keep it, and nothing in it may run', async () => {
    for (const query of ['', '?proxy=true']) {
      const answer = await get(query);
      const cache = answer.headers.get('cache-control') ?? '';
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

  it('is shown by pages on which only scripts of this server run', async () => {
    for (const path of ['/', '/login', '/queues', '/docs/static/index.html', '/v1/stats']) {
      const answer = await s.call(path, { key: 'admin' });
      const policy = answer.headers.get('content-security-policy') ?? '';
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

  it('of an archived media whose object is gone is a problem with a code of its own', async () => {
    const lost = await s.createArchived(reference(), { body, contentType: 'image/jpeg', extension: 'jpg' });
    const row = await s.context.catalogue.media.get(lost);
    await s.context.store.delete(row!.objectKey!, AbortSignal.timeout(5_000));
    for (const headers of [{}, { range: 'bytes=0-0' }] as Record<string, string>[]) {
      const answer = await s.call(`/v1/media/${lost}/content?proxy=true`, { key: 'read', headers });
      const problem = (await answer.json()) as Record<string, unknown>;
      assert.deepEqual([answer.status, problem.code], [404, 'object_missing']);
      assert.match(String(problem.advice), /wma verify/);
    }
  });

  it('comes in ranges', async () => {
    const middle = await get('?proxy=true', { range: 'bytes=10-19' });
    assert.equal(middle.status, 206);
    assert.equal(middle.headers.get('content-range'), 'bytes 10-19/100000');
    assert.deepEqual(await bytes(middle), body.subarray(10, 20));
    assert.deepEqual(await bytes(await get('?proxy=true', { range: 'bytes=-5' })), body.subarray(-5));
    assert.deepEqual(await bytes(await get('?proxy=true', { range: 'bytes=99990-' })), body.subarray(99_990));
  });

  it('beyond its end is 416 with its size', async () => {
    const answer = await get('?proxy=true', { range: 'bytes=100000-' });
    const problem = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual(
      [answer.status, problem.code, problem.sizeBytes],
      [416, 'range_not_satisfiable', 100_000],
    );
  });

  it('comes whole where the range is none or its condition unknown', async () => {
    for (const range of ['bytes=a-b', 'bytes=1-2,5-6', 'lines=1-2', 'bytes=-', `bytes=${'9'.repeat(400)}-`]) {
      const answer = await get('?proxy=true', { range });
      assert.equal(answer.status, 200, range);
      assert.equal((await bytes(answer)).length, body.length);
    }
    const conditional = await get('?proxy=true', { range: 'bytes=0-1', 'if-range': '"other"' });
    assert.equal((await bytes(conditional)).length, body.length);
  });

  it('tells HEAD its length', async () => {
    const answer = await get('?proxy=true', {}, 'HEAD');
    assert.deepEqual([answer.status, answer.headers.get('content-length')], [200, '100000']);
  });

  it('ends the request to the store when its reader leaves', async () => {
    const given = Promise.withResolvers<AbortSignal>();
    const endless = new ReadableStream({
      pull: (queue) => queue.enqueue(Buffer.alloc(65_536)),
    });
    const app = await buildServer({
      ...s.context,
      store: {
        ...s.context.store,
        get: async (_key, { signal }) => {
          given.resolve(signal);
          return { status: 200, headers: {}, body: Readable.fromWeb(endless as never) };
        },
      },
      repeatedLog: createRepeatedLog(s.context.log),
      runChecks: () => runChecks(s.context.gather),
      access: createAccess(parseApiKeysOf('read:read-secret-0123456789'), {
        clock: s.context.clock,
        revocations: s.context.catalogue.revocations,
      }),
      ingest: createIngest({ ...s.context, onAccepted: () => undefined }),
    });
    try {
      const url = await app.listen({ host: '127.0.0.1', port: 0 });
      const leaving = new AbortController();
      const answer = await fetch(`${url}/v1/media/${id}/content?proxy=true`, {
        headers: { authorization: 'Bearer read-secret-0123456789' },
        signal: leaving.signal,
      });
      await answer.body?.getReader().read();
      const signal = await given.promise;
      assert.equal(signal.aborted, false);
      const ended = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      leaving.abort();
      await Promise.race([ended, rejectsAfter(5_000)]);
    } finally {
      await app.close();
    }
  });

  it('survives a reader who leaves in the middle', async () => {
    const controller = new AbortController();
    const answer = await fetch(`${s.url}/v1/media/${id}/content?proxy=true`, {
      headers: { authorization: 'Bearer read-secret-0123456789' },
      signal: controller.signal,
    });
    await answer.body?.getReader().read();
    controller.abort();
    assert.equal((await get('?proxy=true')).status, 200);
  });

  it('of a pending media is 202 with a time to come back', async () => {
    const one = reference();
    await s.context.accept([one]);
    const answer = await s.call(`/v1/media/${idOf(PLAIN.account, one.mediaId)}/content`, { key: 'read' });
    assert.equal(answer.status, 202);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.equal(((await answer.json()) as { status: string }).status, 'pending');
  });

  it('of a dead media is 410 with the reason', async () => {
    const dead = await s.createDead(reference());
    const answer = await s.call(`/v1/media/${dead}/content`, {
      key: 'read',
      headers: { 'accept-language': 'zh' },
    });
    const problem = (await answer.json()) as {
      code: string;
      mediaStatus: string;
      failure: { message: string };
    };
    assert.deepEqual([answer.status, problem.code, problem.mediaStatus], [410, 'media_gone', 'dead']);
    assert.match(problem.failure.message, /文件大小/);
  });

  it('refuses parameters it does not know', async () => {
    assert.equal((await get('?proxy=maybe')).status, 400);
    assert.equal((await get('?download=1')).status, 400);
  });
});
