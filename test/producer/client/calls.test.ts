/** Timeouts, repetitions and errors of the client's calls, against a server that fails on request. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { type Client, createClient } from '../../../src/producer/client/client.ts';
import { ClientError } from '../../../src/producer/client/client-error.ts';
import type { ClientOptions } from '../../../src/producer/client/options.ts';
import { decideRetryMs } from '../../../src/producer/client/retry.ts';

const KEY = 'key-of-the-calls-0123456789';
const ID = `m_${'0'.repeat(32)}`;
const REFERENCE = { account: 'wx0000000000000001', mediaId: 'a', kind: 'image' } as const;
const SAFE = { status: 503, headers: { 'retry-after': '0' } };

type Answer =
  | { status: number; headers?: Record<string, string>; body?: unknown }
  | 'reset'
  | 'silent'
  | 'half a body';
interface Received {
  method: string | undefined;
  path: string;
  body: string;
}

/** A server that gives one answer after the other, and the last one from then on. */
async function openServer(
  t: TestContext,
  ...answers: Answer[]
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => void respond(request, response));
  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await buffer(request)).toString();
    received.push({ method: request.method, path: request.url ?? '', body });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === undefined || answer === 'silent') return;
    if (answer === 'reset') return void request.socket.destroy();
    if (answer === 'half a body') {
      response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': '10' });
      response.write('12345', () => request.socket.destroy());
      return;
    }
    const { status, headers, body: content = {} } = answer;
    response.writeHead(status, headers).end(typeof content === 'string' ? content : JSON.stringify(content));
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

const clientOf = (url: string, options: Partial<ClientOptions> = {}): Client =>
  createClient({ url, key: KEY, ...options });
const row = { status: 200, body: { id: ID } };

describe('a call', () => {
  for (const [what, answer] of [
    ['a server that is overloaded', SAFE],
    ['a connection that ends', 'reset'],
    ['a proxy without its server', { status: 502, body: '<h1>Bad Gateway</h1>' }],
  ] as const) {
    test(`is repeated after ${what}, with the same body`, async (t) => {
      const { url, received } = await openServer(t, answer, row);
      assert.deepEqual(await clientOf(url).add(REFERENCE), { id: ID });
      assert.deepEqual(
        received.map(({ method, path, body }) => [method, path, JSON.parse(body)]),
        Array.from({ length: 2 }, () => ['POST', '/v1/media', REFERENCE]),
      );
    });
  }

  test('that hangs is repeated on another connection, in time', async (t) => {
    const { url, received } = await openServer(t, 'silent', row);
    assert.deepEqual(await clientOf(url, { timeoutMs: 4_000 }).get(ID), { id: ID });
    assert.equal(received.length, 2);
  });

  test('ends within its timeout, whatever the server does', async (t) => {
    const { url } = await openServer(t, 'silent');
    const startedAt = performance.now();
    await assert.rejects(clientOf(url).get(ID, { timeoutMs: 300 }), { code: 'timeout', status: undefined });
    assert.ok(performance.now() - startedAt < 5_000);
  });

  test('is repeated only as often as the options say', async (t) => {
    const { url, received } = await openServer(t, SAFE);
    await assert.rejects(clientOf(url, { retries: 1 }).get(ID), { status: 503 });
    assert.equal(received.length, 2);
    await assert.rejects(clientOf(url, { retries: 0 }).get(ID), { status: 503 });
    assert.equal(received.length, 3);
  });

  test('does not wait beyond its timeout for a server that asks for it', async (t) => {
    const { url, received } = await openServer(t, { status: 503, headers: { 'retry-after': '60' } });
    await assert.rejects(clientOf(url).get(ID), { status: 503, retryAfterMs: 60_000 });
    assert.equal(received.length, 1);
  });

  test('that asks for a link is repeated only if the server says that it did nothing', async (t) => {
    const lost = await openServer(t, 'reset', row);
    await assert.rejects(clientOf(lost.url).link(ID, { ttl: '1h' }), { code: 'unavailable' });
    assert.equal(lost.received.length, 1);
    const refused = await openServer(t, SAFE, { status: 201, body: { url: 'https://store/x' } });
    assert.equal((await clientOf(refused.url).link(ID, { ttl: '1h' })).url, 'https://store/x');
  });

  test('that the server refuses is not repeated, and the error has what the server says', async (t) => {
    const errors = [{ field: 'kind', message: 'must be one of image, voice' }];
    const body = { title: 'Invalid', code: 'invalid_request', advice: 'See errors.', detail: KEY, errors };
    const { url, received } = await openServer(t, { status: 400, body });
    await assert.rejects(clientOf(url).add(REFERENCE), (error) => {
      assert.ok(error instanceof ClientError);
      const { name, status, code, title, advice, detail } = error;
      assert.deepEqual(
        { name, status, code, title, advice, detail },
        {
          name: 'ClientError',
          status: 400,
          code: 'invalid_request',
          title: 'Invalid',
          advice: 'See errors.',
          detail: '[key]',
        },
      );
      assert.deepEqual(error.errors, errors);
      assert.equal(
        error.message,
        'wechat-media-archiver: Invalid. [key]. See errors. (kind: must be one of image, voice)',
      );
      return true;
    });
    assert.equal(received.length, 1);
  });

  for (const [when, answer] of [
    ['while it waits for the server', 'silent'],
    ['between two attempts', { status: 503, headers: { 'retry-after': '5' } }],
  ] as const) {
    test(`is aborted with the reason of its signal ${when}`, async (t) => {
      const { url, received } = await openServer(t, answer);
      const controller = new AbortController();
      const { signal } = controller;
      const call = assert.rejects(clientOf(url).get(ID, { signal }), { message: 'stop' });
      while (received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      controller.abort(new Error('stop'));
      await call;
      await assert.rejects(clientOf(url).get(ID, { signal }), { message: 'stop' });
      assert.equal(received.length, 1);
    });
  }

  test('follows no redirect, so that the key reaches no other host', async (t) => {
    const other = await openServer(t, row);
    const { url } = await openServer(t, { status: 308, headers: { location: `${other.url}/v1/media` } });
    await assert.rejects(clientOf(url).get(ID), {
      code: 'unexpected_response',
      status: 308,
      message: new RegExp(`redirects to ${other.url}`),
    });
    assert.equal(other.received.length, 0);
  });

  test('to a server of another kind says so', async (t) => {
    const { url } = await openServer(t, { status: 200, body: '<h1>Welcome</h1>' });
    await assert.rejects(clientOf(url).get(ID), { code: 'unexpected_response', message: /not JSON/ });
  });

  test('to a port where nothing listens names the reason', async () => {
    await assert.rejects(clientOf('http://127.0.0.1:1', { retries: 0 }).get(ID), {
      code: 'unavailable',
      message: /http:\/\/127\.0\.0\.1:1 failed/,
    });
  });

  test('keeps the path of the address, and encodes the id', async (t) => {
    const { url, received } = await openServer(t, row);
    await clientOf(`${url}/archiver/`).get('a/../b?c');
    assert.equal(received[0]?.path, '/archiver/v1/media/a%2F..%2Fb%3Fc');
  });
});

describe('content', () => {
  test('that breaks off is an error, never half a file', async (t) => {
    const { url } = await openServer(t, 'half a body');
    const content = await clientOf(url).content(ID);
    assert.deepEqual([content.contentType, content.sizeBytes], ['image/jpeg', 10]);
    await assert.rejects(content.bytes(), { code: 'unavailable' });
  });

  test('that is pending is an error with the time to wait', async (t) => {
    const { url } = await openServer(t, { status: 202, headers: { 'retry-after': '5' } });
    await assert.rejects(clientOf(url).content(ID), { code: 'pending', status: 202, retryAfterMs: 5_000 });
  });

  test('that is larger than allowed is not kept in memory', async (t) => {
    const { url } = await openServer(t, { status: 200, body: 'x'.repeat(1_000) });
    const content = await clientOf(url).content(ID);
    await assert.rejects(content.bytes(999), { code: 'too_large' });
  });

  test('is requested again if the server is overloaded at first', async (t) => {
    const { url } = await openServer(t, SAFE, { status: 200, body: 'abc' });
    assert.deepEqual(Buffer.from(await (await clientOf(url).preview(ID)).bytes()).toString(), 'abc');
  });
});

test('a list whose cursor never ends stops at an empty page', async (t) => {
  const page = (items: unknown[], nextCursor: string) => ({ status: 200, body: { items, nextCursor } });
  const { url, received } = await openServer(t, page([{ id: 'a' }], 'c1'), page([], 'c1'));
  const ids: string[] = [];
  for await (const { id } of clientOf(url).list({ sort: 'updatedAt', labels: { shop: '7' } })) ids.push(id);
  assert.deepEqual(ids, ['a']);
  assert.deepEqual(
    received.map(({ path }) => path),
    ['/v1/media?sort=updatedAt&label.shop=7', '/v1/media?sort=updatedAt&label.shop=7&cursor=c1'],
  );
});

for (const [options, message] of [
  [undefined, /createClient needs/],
  [{ url: 'archiver.example.com', key: 'k' }, /url must be an address/],
  [{ url: 'ftp://archiver.example.com', key: 'k' }, /url must be an address/],
  [{ url: 'https://user:secret@h', key: 'k' }, /must not contain a user/],
  [{ url: 'https://h?key=secret', key: 'k' }, /must end with its host or a path/],
  [{ url: 'https://h', key: '' }, /key must be the secret/],
  [{ url: 'https://h', key: 'secret secret' }, /key must be the secret/],
  [{ url: 'https://h', key: 'secret\n' }, /key must be the secret/],
  [{ url: 'https://h', key: 'k', language: 'fr' }, /language/],
  [{ url: 'https://h', key: 'k', timeoutMs: 0 }, /timeoutMs/],
  [{ url: 'https://h', key: 'k', timeoutMs: 2 ** 40 }, /timeoutMs/],
  [{ url: 'https://h', key: 'k', retries: -1 }, /retries/],
  [{ url: 'https://h', key: 'k', timeout: 5 }, /no option timeout/],
] as const) {
  test(`createClient refuses ${JSON.stringify(options)} without quoting a secret`, () => {
    assert.throws(
      () => createClient(options as unknown as ClientOptions),
      (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(`${error.stack}`, /secret@|=secret|secret secret|secret\n/);
        return (error as ClientError).code === 'misused';
      },
    );
  });
}

test('arguments that would match everything, or nothing, are refused before anything is sent', async () => {
  const client = clientOf('http://127.0.0.1:1');
  assert.throws(() => client.list({ id: [] }), { code: 'misused', message: /id must not be empty/ });
  assert.throws(() => client.list({ sentFrom: new Date('?') }), { code: 'misused', message: /sentFrom/ });
  await assert.rejects(client.get(''), { code: 'misused', message: /id is missing/ });
  await assert.rejects(client.add(null as never), { code: 'misused' });
  await assert.rejects(client.link(ID, {} as never), { code: 'misused', message: /ttl/ });
  await assert.rejects(client.get(ID, { timeOut: 5 } as never), { code: 'misused', message: /no option/ });
});

test('a key that is sent unencrypted is warned of, except to this machine', async () => {
  const warnings: string[] = [];
  const listen = (warning: Error & { code?: string }) => warnings.push(`${warning.code} ${warning.message}`);
  process.on('warning', listen);
  for (const url of [
    'https://h',
    'http://127.0.0.1:1',
    'http://localhost',
    'http://[::1]:1',
    'http://archiver',
  ])
    createClient({ url, key: KEY });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^WMA_UNENCRYPTED_KEY .*http:\/\/archiver; use https/);
});

describe('the wait before a repetition', () => {
  const facts = { failures: 0, isIdempotent: true, longestWaitMs: 5_000, random: 1 };
  const error = (status?: number, retryAfterMs?: number) =>
    new ClientError(status ? 'x' : 'unavailable', 'x', { status, retryAfterMs });

  test('doubles with each failure up to a limit, and is spread from zero', () => {
    const waits = [0, 1, 2, 3, 4, 5, 1e6].map((failures) => decideRetryMs(error(), { ...facts, failures }));
    assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    assert.equal(decideRetryMs(error(), { ...facts, random: 0 }), 0);
  });

  test('is at least what the server asks for', () => {
    assert.equal(decideRetryMs(error(429, 9_000), { ...facts, random: 0 }), 9_000);
    assert.equal(decideRetryMs(error(503, 9_000), facts), 10_000);
  });

  test('is none after an error that stays', () => {
    for (const status of [400, 401, 403, 404, 409, 410, 422])
      assert.equal(decideRetryMs(error(status), facts), undefined);
    assert.equal(decideRetryMs(new Error('a bug'), facts), undefined);
    assert.equal(decideRetryMs(new ClientError('misused', 'x'), facts), undefined);
  });

  test('is none for a call that must not happen twice, unless the server did nothing', () => {
    const once = { ...facts, isIdempotent: false };
    for (const status of [undefined, 408, 500, 502, 504])
      assert.equal(decideRetryMs(error(status), once), undefined);
    for (const status of [429, 503]) assert.equal(decideRetryMs(error(status), once), 250);
  });
});
