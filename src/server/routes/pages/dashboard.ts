/** `/`: the dashboard for whoever is signed in, the door for everybody else. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import statics from '@fastify/static';
import { SCOPES } from '../../../config/api-keys.ts';
import { includesScope, type Principal } from '../../auth/access.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { sendSignInPage } from './login.ts';

/** Its script, which brings the others: all of its folder is served. */
const SCRIPT = new URL('../../dashboard/page.js', import.meta.url);

/** The page offers what its reader may do. Scopes are words of ours: nothing to escape. */
function pageFor(page: string, { scopes }: Principal): string {
  const reached = SCOPES.filter((scope) => includesScope(scopes, scope)).join(' ');
  return page.replace('data-scopes=""', `data-scopes="${reached}"`);
}

export function dashboardRoutes(deps: Pick<RouteDeps, 'access'>) {
  return async (app: App): Promise<void> => {
    const page = await readFile(new URL('../../dashboard/index.html', import.meta.url), 'utf8');

    app.get('/', { config: { scope: 'open' }, schema: { hide: true } }, async (request, reply) => {
      let reader: Principal;
      try {
        reader = await deps.access.authorize(request, { scope: 'read', accountScoped: true });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        // A cookie of former keys is a wrong guess like any other; the form takes a right key all the same.
        if (error.code === 'too_many_requests') return sendSignInPage(request, reply, 429, 'wait');
        if (error.code === 'unauthorized') return sendSignInPage(request, reply, 401);
        throw error;
      }
      return reply.type('text/html; charset=utf-8').send(pageFor(page, reader));
    });

    await app.register(async (scope) => {
      scope.addHook('onRoute', (route) => {
        route.config = { ...route.config, scope: 'read', accountScoped: true };
        route.schema = { ...route.schema, hide: true };
      });
      const root = fileURLToPath(new URL('..', SCRIPT));
      await scope.register(statics, { root, prefix: '/dashboard/', index: false, decorateReply: false });
    });
  };
}
