/** Query parameters, on every route of the OpenAPI document. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openTestServer, type TestServer } from './setup.ts';

/** A well-formed id for the route: m_… for media items, e_… for erasures. */
const idFor = (path: string) =>
  path.startsWith('/v1/webhooks') ? 'configured' : `${path[4]}_${'0'.repeat(path[4] === 'v' ? 24 : 32)}`;

describe('a query parameter', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  const send = async (path: string, method = 'GET') => {
    const response = await s.call(path, { key: 'admin', method, ...(method === 'GET' ? {} : { json: {} }) });
    const body = (await response.json().catch(() => ({}))) as {
      code?: string;
      errors?: { field: string; message: string }[];
    };
    return { status: response.status, body };
  };

  it('is rejected by name where the route does not know it', async () => {
    const { paths } = (await (await s.call('/openapi.json', { key: 'read' })).json()) as {
      paths: Record<string, Record<string, { requestBody?: unknown }>>;
    };
    let count = 0;
    for (const [path, operations] of Object.entries(paths)) {
      if (!path.startsWith('/v1/')) continue;
      for (const [method, { requestBody }] of Object.entries(operations)) {
        const url = `${path.replace('{delivery}', '1').replaceAll(/\{\w+\}/g, idFor(path))}?no-such=1`;
        const { status, body } = await send(url, method.toUpperCase());
        assert.equal(status, 400, `${method} ${path}`);
        assert.equal(body.code, 'invalid_request', `${method} ${path}`);
        // The body is validated first where there is one, and an empty one is invalid.
        if (requestBody) continue;
        const found = body.errors?.find(({ field }) => field === 'no-such');
        assert.equal(found?.message, 'is not a parameter of this route', `${method} ${path}`);
        count++;
      }
    }
    assert.ok(count > 12, `only ${count} routes`);
  });

  it('for a time accepts dates and durations', async () => {
    for (const query of [
      'sentFrom=24h',
      'sentTo=2026-11-20',
      'expiresBefore=6h',
      'sentFrom=2026-11-20T08:00:00%2B08:00',
      'sentFrom=2026-11-20T08:00:00+08:00',
    ])
      assert.equal((await send(`/v1/media?${query}`)).status, 200, query);
    const { status, body } = await send('/v1/media?sentFrom=yesterday');
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
