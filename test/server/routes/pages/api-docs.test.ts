/** The OpenAPI document compared with the routes, in both directions. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { listRoutes } from '../../route-list.ts';
import { openTestServer, type TestServer } from '../../setup.ts';

/** The API; pages and their files are not documented. */
const API = /^\/(v1|wechat|livez|readyz|metrics)(\/|$)/;

interface Operation {
  summary?: string;
  security?: unknown[];
  responses: Record<string, { content?: Record<string, { schema: unknown }> }>;
}

describe('the OpenAPI document', () => {
  let s: TestServer;
  let paths: Record<string, Record<string, Operation>>;
  let text: string;
  before(async () => {
    s = await openTestServer();
    text = await (await s.call('/openapi.json', { key: 'read' })).text();
    paths = JSON.parse(text).paths;
  });
  after(() => s.close());

  it('holds every route of the API and no other', async () => {
    const routes = await listRoutes(s);
    assert.ok(routes.length > 12, `only ${routes.length} routes were read`);
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const api = routes.filter((route) => API.test(route.split(' ')[1] as string));
    assert.deepEqual(documented.sort(), api.sort());
  });

  it('has summary, security and the problem response for each operation', () => {
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        assert.ok(operation.summary, `${method} ${path}`);
        const isOpen = /^\/(wechat|livez|readyz)/.test(path);
        assert.deepEqual(operation.security, isOpen ? [] : [{ bearer: [] }], `${method} ${path}`);
        assert.ok(operation.responses.default?.content?.['application/problem+json']);
      }
    }
  });

  it('refers only to schemas that exist', () => {
    const { components } = JSON.parse(text) as { components: { schemas: Record<string, unknown> } };
    const named = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
    assert.ok(named.includes('Media') && named.includes('Problem'));
    for (const name of named) assert.ok(components.schemas[name as string], name);
  });

  it('describes the parameters of the list with their limits', () => {
    const { parameters } = (paths['/v1/media']?.get ?? {}) as unknown as {
      parameters: { name: string; schema: Record<string, unknown> }[];
    };
    const limit = parameters.find(({ name }) => name === 'limit')?.schema;
    assert.deepEqual([limit?.minimum, limit?.maximum, limit?.default], [1, 200, 50]);
    assert.ok(parameters.some(({ name }) => name === 'msgId'));
  });
});
