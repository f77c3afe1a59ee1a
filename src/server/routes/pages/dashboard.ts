/**
 * `/`: the dashboard for signed-in users and the sign-in page for all others. Also serves the files of the dashboard.
 */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import statics from '@fastify/static';
import { SCOPES } from '../../../config/api-keys.ts';
import { includesScope, type Principal } from '../../auth/access.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { sendSignInPage } from './login.ts';

/** The main script. It imports the others, so its whole folder is served. */
const SCRIPT = new URL('../../dashboard/page.js', import.meta.url);

/**
 * Returns the page with the scopes of its user, which decide which actions the page offers. The scopes need no
 * escaping, because they are fixed words.
 */
function pageFor(page: string, { scopes }: Principal): string {
  const included = SCOPES.filter((scope) => includesScope(scopes, scope)).join(' ');
  return page.replace('data-scopes=""', `data-scopes="${included}"`);
}

export function dashboardRoutes(deps: Pick<RouteDeps, 'access'>) {
  return async (app: App): Promise<void> => {
    const page = await readFile(new URL('../../dashboard/index.html', import.meta.url), 'utf8');

    app.get('/', { config: { scope: 'open' }, schema: { hide: true } }, async (request, reply) => {
      let user: Principal;
      try {
        user = await deps.access.authorize(request, { scope: 'read', accountScoped: true });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        // A cookie that was signed with former keys counts as a wrong credential. The form still accepts a valid key.
        if (error.code === 'too_many_requests') return sendSignInPage(request, reply, 429, 'wait');
        if (error.code === 'unauthorized') return sendSignInPage(request, reply, 401);
        throw error;
      }
      return reply.type('text/html; charset=utf-8').send(pageFor(page, user));
    });

    await app.register(async (scope) => {
      scope.addHook('onRoute', (route) => {
        route.config = { ...route.config, scope: 'read', accountScoped: true };
        route.schema = { ...route.schema, hide: true };
      });
      const root = dirname(fileURLToPath(SCRIPT));
      await scope.register(statics, { root, prefix: '/dashboard/', index: false, decorateReply: false });
    });
  };
}
