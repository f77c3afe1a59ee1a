/** /login: the one-time link printed at start turns into a cookie. */
import { z } from 'zod';
import { SESSION_COOKIE, SESSION_MS } from '../access.ts';
import type { App, ServerDeps } from '../app.ts';
import { Problem } from '../problem.ts';

export function loginRoutes(deps: Pick<ServerDeps, 'access' | 'config'>) {
  const secure = deps.config.http.publicUrl?.startsWith('https:') ?? false;
  return async (app: App): Promise<void> => {
    app.get(
      '/login',
      { schema: { hide: true, querystring: z.object({ ticket: z.string().max(100).optional() }) } },
      async (request, reply) => {
        const session = request.query.ticket && deps.access.redeem(request.query.ticket);
        if (!session) {
          throw new Problem('unauthorized', {
            detail: 'the link is spent or too old; a restart prints a new one',
          });
        }
        return reply
          .setCookie(SESSION_COOKIE, session, {
            httpOnly: true,
            sameSite: 'strict',
            path: '/',
            secure,
            maxAge: SESSION_MS / 1000,
          })
          .header('cache-control', 'no-store')
          .redirect('/', 303);
      },
    );
  };
}
