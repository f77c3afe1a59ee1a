/** /openapi.json and /docs: the API's documentation, generated from the schemas of the routes. */
import { readFile } from 'node:fs/promises';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { createJsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { App } from '../../route-deps.ts';

/** Swagger UI has inline styles. It is third-party code and must not contact other hosts. */
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

const transform = createJsonSchemaTransform({ skipList: [] });

const DESCRIPTION = [
  'Archives the media items that users send to WeChat accounts. Errors are application/problem+json with a stable `code`',
  'and `advice` in English or Chinese by Accept-Language. Scopes: read (all GET), write (POST media, retry), admin.',
].join(' ');

/**
 * Removes the variants of named schemas that are generated for input. They are redundant, because the named schemas
 * describe responses.
 */
function withoutInputs(document: ReturnType<typeof jsonSchemaTransformObject>): typeof document {
  const schemas = ('components' in document && document.components?.schemas) || {};
  for (const name of Object.keys(schemas)) if (name.endsWith('Input')) delete schemas[name];
  return document;
}

/**
 * Must be called before the routes are registered, because the plugin collects only the routes that are registered
 * after it.
 */
export async function registerOpenApi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'wechat-media-archiver', version: '1', description: DESCRIPTION },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A secret of API_KEYS.' },
        },
      },
    },
    transform: (document) => {
      const { schema, url } = transform(document);
      if (schema.hide) return { schema, url };
      const { scope = 'admin', accountScoped } = document.route.config ?? {};
      const accounts = accountScoped
        ? 'a key that is bound to accounts gets only the data of these accounts'
        : 'requires a key for all accounts';
      const responses = (schema.response ?? { 200: { type: 'string' } }) as Record<string, unknown>;
      return {
        url,
        schema: {
          ...schema,
          description: scope === 'open' ? 'Open.' : `Scope: ${scope}; ${accounts}.`,
          security: scope === 'open' ? [] : [{ bearer: [] }],
          response: {
            ...responses,
            default: {
              description: 'A problem',
              content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
            },
          },
        },
      };
    },
    transformObject: (document) => withoutInputs(jsonSchemaTransformObject(document)),
  });
}

/** Must be called after the hooks that apply to its pages are added. */
export async function apiDocRoutes(app: App): Promise<void> {
  const logo = await readFile(new URL('../../dashboard/sign-in/icon.svg', import.meta.url));
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, scope: 'read', accountScoped: true };
    });
    scope.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
    await scope.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: CSP,
      validatorUrl: false,
      uiConfig: { deepLinking: true, docExpansion: 'list', supportedSubmitMethods: ['get', 'post'] },
      theme: { title: 'wechat-media-archiver API' },
      logo: { type: 'image/svg+xml', content: logo, href: '/' },
    });
  });
}
