/** Garbage in path, query, cookie and headers of every route gets a 4xx: never a 500 or a request that hangs. */
import assert from 'node:assert/strict';
import { request as requestHttp } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { openServer } from '../../../src/server/start.ts';
import { openBelow, openQueue, PLACES } from '../../queue/backends.ts';
import { KEYS, openTestServer, type TestServer } from '../setup.ts';

const GARBAGE = [
  '%00',
  'a%00b',
  '%',
  '%zz',
  '%ff%fe',
  '%ED%A0%80',
  '%2500',
  '%25',
  '%0d%0aX:1',
  '..%2f..%2fetc%2fpasswd',
  '__proto__',
  'constructor',
  "'%20OR%201=1--",
  '-1',
  '1e999',
  '99999999999999999999',
  '%7B%7D',
  'x'.repeat(3_000),
  '%E2%80%AE%F0%9F%92%A9',
];
const BOARD_PATHS = [
  '/queues/api/queues',
  '/queues/api/redis/stats',
  '/queues/api/job-schedulers',
  '/queues/api/metrics/history',
  '/queues/api/metrics/latency',
  '/queues/api/queues/{queue}/metrics',
  '/queues/api/queues/{queue}/workers',
  '/queues/api/queues/{queue}/rate-limit',
  '/queues/api/queues/{queue}/default-job-options',
  '/queues/api/queues/{queue}/{job}',
  '/queues/api/queues/{queue}/{job}/logs',
  '/queues/api/queues/{queue}/{job}/flow',
  '/queues/queue/{queue}',
  '/queues/static/{file}',
];
const BOARD_PARAMETERS = [
  'activeQueue',
  'status',
  'page',
  'jobsPerPage',
  'queueName',
  'from',
  'to',
  'metric',
  'depth',
];

interface Document {
  paths: Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>;
}

describe('garbage in a request', () => {
  let s: TestServer;
  let base: URL;
  let queueName = '';
  const closers: (() => Promise<unknown>)[] = [];

  const authorized = (path: string) =>
    fetch(`${base}${path}`, { headers: { authorization: `Bearer ${KEYS.admin}` } });

  before(async () => {
    s = await openTestServer();
    const embedded = PLACES.find(({ name }) => name === 'PGlite')!;
    const below = await openBelow((await embedded.find(undefined as never))!);
    const queue = await openQueue(below);
    const keys = [{ name: 'k', scopes: ['admin'] as const, secret: KEYS.admin }];
    base = new URL((await openServer({ ...s.context, queue }, { keys })).url);
    closers.push(
      () => queue.close(),
      below.close,
      () => s.close(),
    );
    const shown = await authorized('queues/api/queues');
    queueName = ((await shown.json()) as { queues: { name: string }[] }).queues[0]!.name;
  });
  after(async () => {
    for (const close of closers) await close();
  });

  /** Resolves with the status. Not by fetch, which would normalize the path. */
  const statusOf = (
    path: string,
    options: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ) =>
    new Promise<number>((resolve, reject) => {
      const { method = 'GET', headers = {}, body } = options;
      const request = requestHttp(
        {
          host: base.hostname,
          port: base.port,
          path,
          method,
          headers: { authorization: `Bearer ${KEYS.admin}`, ...headers },
          timeout: 20_000,
          agent: false,
        },
        (response) => {
          response.resume().on('error', reject);
          resolve(response.statusCode ?? 0);
          if (response.headers['content-type']?.startsWith('text/event-stream')) request.destroy();
        },
      );
      request.on('error', reject).on('timeout', () => request.destroy(new Error(`no response: ${path}`)));
      request.end(body);
    });

  /** Any 5xx is wrong: nothing is unavailable here, so 503 would be too. */
  const wrong: string[] = [];
  async function expectNo500(path: string, options?: Parameters<typeof statusOf>[1]): Promise<void> {
    const status = await statusOf(path, options);
    if (status >= 500 || status < 200)
      wrong.push(`${options?.method ?? 'GET'} ${path.slice(0, 120)}: ${status}`);
  }

  it('gets a 4xx in the path and the query of Bull Board', async () => {
    for (const path of BOARD_PATHS) {
      for (const garbage of GARBAGE) {
        await expectNo500(path.replace(/\{(queue|job|file)\}/g, garbage));
        await expectNo500(path.replace('{queue}', queueName).replace(/\{(job|file)\}/g, garbage));
      }
    }
    for (const name of BOARD_PARAMETERS) {
      for (const garbage of GARBAGE) {
        await expectNo500(`/queues/api/queues?activeQueue=${queueName}&${name}=${garbage}`);
        await expectNo500(`/queues/api/queues?${name}=${garbage}&${name}=1`);
        await expectNo500(`/queues/api/metrics/history?from=0&to=1&${name}=${garbage}`);
      }
    }
    assert.deepEqual(wrong.splice(0), []);
    for (const path of [
      '/queues/api/queues?status=%00',
      '/queues/api/queues?status=nonsense',
      '/queues/api/queues?jobsPerPage=100000',
      '/queues/api/queues?page=0',
      '/queues/api/queues?activeQueue=%25',
      '/queues/api/queues?status=active&status=failed',
    ])
      assert.equal(await statusOf(path), 400, path);
    assert.equal(
      await statusOf(`/queues/api/queues?activeQueue=${queueName}&status=active&page=1&jobsPerPage=10`),
      200,
    );
  });

  it('never gets a 500 in the path, the query, the cookie and the headers of any other route', async () => {
    const document = (await (await authorized('openapi.json')).json()) as Document;
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { parameters = [] }]) => ({
        path,
        method: method.toUpperCase(),
        parameters,
      })),
    );
    assert.ok(routes.length > 20, `${routes.length} routes`);
    for (const { path, method, parameters } of routes) {
      const body = method === 'GET' || method === 'DELETE' ? undefined : '{"x":"\\u0000"}';
      const headers: Record<string, string> = body ? { 'content-type': 'application/json' } : {};
      const plain = path.replace(/\{[^}]+\}/g, 'x');
      const options = { method, headers, ...(body ? { body } : {}) };
      for (const garbage of path.includes('{') ? GARBAGE : [])
        await expectNo500(path.replace(/\{[^}]+\}/g, garbage), options);
      // Each parameter of a route gets a quarter of the garbage; all routes together get all of it.
      for (const [index, { name }] of parameters.filter((one) => one.in === 'query').entries())
        for (const garbage of GARBAGE.filter((_, at) => at % 4 === index % 4))
          await expectNo500(`${plain}?${name}=${garbage}`, options);
      await expectNo500(`${plain}?%00=%00&=%zz`, options);
    }
    for (const path of [
      '/',
      '/media',
      '/login',
      '/login?ticket=%00',
      '/nowhere/%00',
      '/%',
      '/docs/%00',
      '/docs/static/%zz',
    ])
      for (const header of [
        'cookie',
        'accept-language',
        'authorization',
        'range',
        'if-none-match',
        'origin',
        'accept',
      ])
        for (const value of ['\u00ff\u00fe', '%00=%zz; ;;==', `${'a'.repeat(4_000)}`])
          await expectNo500(path, { headers: { [header]: value } });
    assert.deepEqual(wrong, []);
  });
});
