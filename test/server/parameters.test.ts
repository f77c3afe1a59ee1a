/** Query parameters, on every route of the server. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Operation, operationOf } from './documented.ts';
import { listRoutes } from './route-list.ts';
import { openTestServer, type TestServer } from './setup.ts';

interface Refused {
  readonly code?: string;
  readonly errors?: readonly { field: string; message: string }[];
}

describe('a query parameter', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const read = async (path: string, call: Parameters<TestServer['call']>[1] = {}) => {
    const response = await s.call(path, { key: 'admin', ...call });
    return { status: response.status, body: (await response.json().catch(() => ({}))) as Refused };
  };

  /** The path with the example of each of its parameters, and the example of the body: only the query is wrong. */
  function exampleOf(route: string): { method: string; path: string; json?: unknown; operation: Operation } {
    const [method, template] = route.split(' ') as [string, string];
    const operation = operationOf(method, template) as Operation;
    assert.ok(operation, `${route} is in docs/openapi.json`);
    const path = (operation.parameters ?? [])
      .filter((parameter) => parameter.in === 'path')
      .reduce((text, { name, example }) => text.replace(`{${name}}`, String(example)), template);
    const json = operation.requestBody?.content['application/json']?.example;
    return { method, path, operation, ...(json === undefined ? {} : { json }) };
  }

  it('is refused by name where the route does not know it, with the names that it knows', async () => {
    const routes = (await listRoutes(s)).filter((route) => / \/v1\//.test(route));
    assert.ok(routes.length >= 40, `only ${routes.length} routes`);
    assert.deepEqual(
      [...new Set(routes.map((route) => route.split(' ')[0]))].sort(),
      ['DELETE', 'GET', 'POST', 'PUT'],
      'all methods are tested',
    );
    for (const route of routes) {
      const { method, path, json, operation } = exampleOf(route);
      const call = json === undefined ? { method } : { method, json };
      const { status, body } = await read(`${path}?no-such=1`, call);
      assert.equal(status, 400, route);
      const message = body.errors?.find(({ field }) => field === 'no-such')?.message ?? '';
      assert.match(message, /^is not a parameter of this route/, `${route} ${JSON.stringify(body)}`);
      const names = (operation.parameters ?? []).flatMap((one) => (one.in === 'query' ? [one.name] : []));
      if (names.length === 0) assert.match(message, /, which has none$/, route);
      for (const name of names) assert.ok(message.includes(name), `${route} names ${name}: ${message}`);
    }
  });

  it('is refused in Chinese, too', async () => {
    const headers = { 'accept-language': 'zh' };
    const { body } = await read('/v1/media?statu=dead', { headers });
    assert.match(
      body.errors?.[0]?.message ?? '',
      /^不是此接口的参数，可用参数：account、.*、label\.\{key\}$/,
    );
    assert.equal(body.errors?.[0]?.field, 'statu');
  });

  it('for a time accepts dates and durations', async () => {
    for (const query of [
      'sentFrom=24h',
      'sentTo=2026-11-20',
      'expiresBefore=6h',
      'sentFrom=2026-11-20T08:00:00%2B08:00',
      'sentFrom=2026-11-20T08:00:00+08:00',
    ])
      assert.equal((await read(`/v1/media?${query}`)).status, 200, query);
    const { status, body } = await read('/v1/media?sentFrom=yesterday');
    assert.equal(status, 400);
    assert.match(body.errors?.[0]?.message ?? '', /date.*duration/);
  });

  it('of health and metrics may be anything that a monitor appends', async () => {
    for (const path of ['/livez?t=1', '/readyz?verbose', '/metrics?x=1']) {
      const { status } = await s.call(path, { key: 'read' });
      assert.notEqual(status, 400, path);
    }
  });
});
