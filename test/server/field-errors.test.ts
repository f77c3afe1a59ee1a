/** Every field of every route with values that are wrong: each response has sentences of ours, in both languages. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../structure/sources.ts';
import { OPENAPI_TEXT, type OpenApiDocument } from './documented.ts';
import { openTestServer, type TestServer } from './setup.ts';

const DOCUMENT = JSON.parse(OPENAPI_TEXT) as OpenApiDocument;

/** How zod begins its own messages. */
const RAW = /\b(?:Invalid|Too (?:big|small)|Unrecognized|expected .* received|Expected)\b/;
const HAN = /\p{Script=Han}/u;

/** Far below what one key may have in progress. */
const AT_ONCE = 16;

const WRONG: readonly unknown[] = [null, -5.5, '', 'x'.repeat(3_000), true, [], ['', 7], { a: 1 }];

interface Request {
  readonly method: string;
  readonly path: string;
  readonly json?: unknown;
}

/** Paths of the fields of an example, into lists and objects. */
function pathsOf(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [[...path]];
  const entries = Array.isArray(value) ? [...value.entries()].slice(0, 1) : Object.entries(value);
  return [[...path], ...entries.flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: readonly (string | number)[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = (typeof value === 'object' && value !== null ? structuredClone(value) : {}) as Record<
    string | number,
    unknown
  >;
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

/** A field that no schema has makes every body invalid, so that none of them acts. */
const withUnknown = (json: unknown): unknown =>
  typeof json === 'object' && json !== null && !Array.isArray(json) ? { ...json, 'no-such': 1 } : json;

type Schema = Record<string, unknown> & { properties?: Record<string, Schema>; $ref?: string };
const resolve = (schema: Schema | undefined): Schema | undefined =>
  schema?.$ref ? (DOCUMENT.components.schemas[schema.$ref.split('/').at(-1) as string] as Schema) : schema;

/** The fields of a body, also those that its example does not have. */
function fieldsOf(schema: Schema | undefined, example: unknown): (string | number)[][] {
  const { properties = {} } = resolve(schema) ?? {};
  const named = Object.entries(properties).flatMap(([name, property]) => {
    const inner = resolve(property)?.properties ?? {};
    return [[name], ...Object.keys(inner).map((field) => [name, field])];
  });
  const unique = new Map([...pathsOf(example), ...named].map((path) => [path.join('.'), path]));
  return [...unique.values()];
}

function requests(): Request[] {
  return Object.entries(DOCUMENT.paths).flatMap(([template, methods]) =>
    Object.entries(methods).flatMap(([method, operation]): Request[] => {
      if (!template.startsWith('/v1/')) return [];
      const parameters = operation.parameters ?? [];
      const inPath = parameters.filter((one) => one.in === 'path');
      const path = inPath.reduce((text, one) => text.replace(`{${one.name}}`, String(one.example)), template);
      const content = operation.requestBody?.content['application/json'];
      const { example } = content ?? {};
      const base = { method: method.toUpperCase(), ...(example === undefined ? {} : { json: example }) };
      const queries = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
      // Of a body whose example is valid: the query is what is wrong.
      const withQuery = [...queries, 'no-such'].flatMap((name) =>
        ['', '\0', 'x'.repeat(600), '-5', 'nonsense'].map((value) => ({
          ...base,
          path: `${path}?${new URLSearchParams([[name, value]])}`,
        })),
      );
      const twice = queries.map((name) => ({
        ...base,
        path: `${path}?${name}=1&${name}=nonsense&no-such=1`,
      }));
      const withPath = inPath.length > 0 ? [{ ...base, path: template.replace(/\{\w+\}/, '%00') }] : [];
      const withBody = content
        ? fieldsOf(content.schema as Schema, example ?? {}).flatMap((field) =>
            WRONG.map((value) => ({
              ...base,
              path,
              json: withUnknown(replaced(example ?? {}, field, value)),
            })),
          )
        : [];
      return [...withQuery, ...twice, ...withPath, ...withBody];
    }),
  );
}

describe('what a response says about an invalid field', () => {
  let s: TestServer;
  before(async () => {
    s = await openTestServer();
  });
  after(() => s.close());

  it('is never a message of zod, and is Chinese for a client that asks for it', async () => {
    const all = requests();
    assert.ok(all.length > 1_000, `${all.length} requests`);
    const seen = new Set<string>();
    let refused = 0;
    async function check({ method, path, json }: Request, index: number): Promise<void> {
      // All in Chinese, in which a message of zod would be seen, and some in English.
      for (const language of index % 4 === 0 ? (['zh', 'en'] as const) : (['zh'] as const)) {
        const response = await s.call(path, {
          method,
          key: 'admin',
          headers: { 'accept-language': language },
          ...(json === undefined ? {} : { json }),
        });
        const title = `${method} ${path} ${JSON.stringify(json)?.slice(0, 300)}`;
        const text = await response.text();
        assert.ok(response.status < 500, `${title}: ${text}`);
        if (response.status !== 400) continue;
        refused++;
        const body = JSON.parse(text) as { errors?: { field: string; message: string }[] };
        for (const { field, message } of body.errors ?? []) {
          assert.ok(field.length > 0 && field.length < 200, title);
          assert.doesNotMatch(message, RAW, title);
          assert.equal(HAN.test(message), language === 'zh', `${title}: ${field}: ${message}`);
          seen.add(message);
        }
      }
    }
    for (let from = 0; from < all.length; from += AT_ONCE)
      await Promise.all(all.slice(from, from + AT_ONCE).map(check));
    assert.ok(refused > 1_000 && seen.size > 60, `${refused} refused, ${seen.size} sentences`);
  });

  it('is written in both languages wherever a schema of a route refuses something itself', async () => {
    for await (const path of glob('src/{server/routes/**/*,media}.ts', { cwd: ROOT })) {
      const source = readFileSync(`${ROOT}/${path}`, 'utf8');
      assert.doesNotMatch(source, /code: 'custom'/, `${path}: use refuse(context, { en, zh }, path)`);
      assert.doesNotMatch(
        source,
        /\.(?:refine|regex|min|max|length)\((?:[^()]|\([^()]*\))*?,\s*['"`]/,
        `${path}: use saying({ en, zh }) or formatted(pattern, { en, zh })`,
      );
    }
  });
});
