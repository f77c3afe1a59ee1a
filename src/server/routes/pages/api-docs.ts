/** /openapi.json and /docs: the API's documentation, generated from the schemas of the routes. */
import { readFile } from 'node:fs/promises';
import swaggerUi from '@fastify/swagger-ui';
import type { App } from '../../route-deps.ts';

/** Swagger UI has inline styles. It is third-party code and must not contact other hosts. */
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

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
