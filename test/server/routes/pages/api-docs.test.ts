/** The OpenAPI document compared with the routes, in both directions, and judged as a generator of clients would. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { openApiText } from '../../../../docs/generate/openapi.ts';
import { EVENT_TYPES } from '../../../../src/event.ts';
import { OPENAPI_TEXT, type OpenApiDocument, type Operation, undocumented } from '../../documented.ts';
import { listRoutes } from '../../route-list.ts';
import { openTestServer, type TestServer } from '../../setup.ts';

/** The API; pages and their files are not documented. */
const API = /^\/(v1|wechat|livez|readyz|metrics)(\/|$)/;
/** A summary is a title in documents and comments of generated clients; what is longer is a description. */
const SUMMARY_LENGTH = 70;

describe('the OpenAPI document', () => {
  let s: TestServer;
  let document: OpenApiDocument;
  let text: string;
  before(async () => {
    s = await openTestServer();
    text = openApiText(await (await s.call('/openapi.json', { key: 'read' })).json());
    document = JSON.parse(text);
  });
  after(() => s.close());

  const eachOperation = (check: (operation: Operation, name: string) => void) => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method} ${path}`, operation] as const),
    );
    assert.ok(operations.length > 30, `only ${operations.length} operations`);
    for (const [name, operation] of operations) check(operation, name);
  };

  it('is committed as docs/openapi.json', () => {
    assert.ok(text === OPENAPI_TEXT, 'run `node bin/run.js docs/generate/main.ts`');
  });

  it("keeps redocly's recommended rules, without an error or a warning", async () => {
    const config = await createConfig({ extends: ['recommended'] });
    const found = await lintFromString({ source: text, config });
    assert.deepEqual(
      found.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`),
      [],
    );
  });

  it('holds every route of the API and no other', async () => {
    const routes = await listRoutes(s);
    assert.ok(routes.length > 12, `only ${routes.length} routes were read`);
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const api = routes.filter((route) => API.test(route.split(' ')[1] as string));
    assert.deepEqual(documented.sort(), api.sort());
  });

  it('gives each operation an id, a short summary, a known tag, its rights and the other problems', () => {
    const ids = new Set<string>();
    const tags = document.tags.map(({ name }) => name);
    eachOperation((operation, name) => {
      const { operationId, summary, description, responses, security } = operation;
      assert.match(operationId ?? '', /^[a-z][A-Za-z]+$/, `${name} has an operationId in camelCase`);
      assert.ok(!ids.has(operationId), `${name}: another operation is ${operationId} too`);
      ids.add(operationId);
      assert.ok(summary && summary.length <= SUMMARY_LENGTH, `${name}: ${summary}`);
      assert.match(description, /(^Open\.| Open\.|Scope: (read|write|admin);)/, name);
      assert.ok(operation.tags?.length === 1 && tags.includes(operation.tags[0] as string), name);
      const isOpen = /^\w+ \/(wechat|livez|readyz)/.test(name);
      assert.deepEqual(security, isOpen ? [] : [{ bearer: [] }], name);
      assert.ok(responses.default && responses['400'] && responses['500'], name);
    });
  });

  it('has an example of each body, each successful JSON and each parameter of a path', () => {
    eachOperation(({ parameters = [], requestBody, responses }, name) => {
      const json = requestBody?.content['application/json'];
      const other = Object.values(requestBody?.content ?? {}).some(({ example }) => example !== undefined);
      if (json) assert.ok(json.example !== undefined || other, `${name}: its schema has examples.body`);
      for (const parameter of parameters.filter((one) => one.in === 'path'))
        assert.notEqual(parameter.example, undefined, `${name}: examples.params.${parameter.name}`);
      for (const [status, { content }] of Object.entries(responses)) {
        const success = status.startsWith('2') ? content?.['application/json'] : undefined;
        if (success) assert.notEqual(success.example, undefined, `${name}: examples.response.${status}`);
      }
    });
  });

  it('names the problems of each operation, so that a test which gets another one fails', () => {
    const found = (code: string, status: number) => undocumented('GET', '/v1/media/m_1', { status, code });
    assert.equal(found('media_not_found', 404), undefined);
    assert.match(found('conflict', 409) ?? '', /^getMedia sent the problem conflict/);
    assert.match(found('media_not_found', 410) ?? '', /^getMedia sent/);
    assert.equal(undocumented('GET', '/no/such/page', { status: 404, code: 'not_found' }), undefined);
  });

  it('describes what is no JSON by its type of content', () => {
    const contentOf = (path: string, status: string) =>
      Object.keys(document.paths[path]?.get?.responses[status]?.content ?? {});
    assert.deepEqual(contentOf('/v1/media/{id}/preview', '200'), ['audio/wav', 'image/webp']);
    assert.deepEqual(contentOf('/metrics', '200'), ['text/plain']);
    assert.deepEqual(contentOf('/v1/media/{id}/content', '302'), []);
  });

  it('has a webhook for each type of event, with its payload', () => {
    assert.deepEqual(Object.keys(document.webhooks), [...EVENT_TYPES]);
    for (const [type, { post }] of Object.entries(document.webhooks)) {
      const { schema, example } = post.requestBody?.content['application/json'] ?? {};
      assert.match(String(schema?.$ref), /\/(Media|Account|Store)Event$/);
      assert.equal((example as { type: string }).type, type);
    }
  });

  it('refers only to schemas that exist, by names without a suffix', () => {
    const { schemas } = document.components;
    const named = [...text.matchAll(/"\$ref": "#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
    for (const name of ['Media', 'Problem', 'Reference', 'MediaFilter', 'MediaEvent'])
      assert.ok(named.includes(name), name);
    for (const name of named) assert.ok(schemas[name as string], name);
    assert.deepEqual(
      Object.keys(schemas).filter((name) => name.endsWith('Input')),
      [],
    );
  });

  it('refuses no new field in a response, and gives integers the 64 bits that they need', () => {
    const media = document.components.schemas.Media as {
      additionalProperties?: boolean;
      properties: Record<string, Record<string, unknown>>;
    };
    assert.equal(media.additionalProperties, undefined);
    assert.equal(media.properties.sizeBytes?.format, 'int64');
    assert.equal(media.properties.sizeBytes?.maximum, undefined);
    assert.equal(media.properties.sentAt?.pattern, undefined);
  });

  it('describes the parameters of the list with their limits', () => {
    const parameters = document.paths['/v1/media']?.get?.parameters ?? [];
    const limit = parameters.find(({ name }) => name === 'limit')?.schema;
    assert.deepEqual([limit?.minimum, limit?.maximum, limit?.default], [1, 200, 50]);
    assert.ok(parameters.some(({ name }) => name === 'msgId'));
  });
});
