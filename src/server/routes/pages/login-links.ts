/** POST /v1/login-links: a link that signs a browser in, for `wma login`. */
import { z } from 'zod';
import { isOverTls } from '../../auth/same-origin.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { responseTime } from '../field-schemas.ts';

const loginLinkSchema: z.ZodType = z.object({
  url: z.url().describe('secret until it is used'),
  expiresAt: responseTime,
});

export function loginLinkRoutes({ access, config, log }: Pick<RouteDeps, 'access' | 'config' | 'log'>) {
  return async (app: App): Promise<void> => {
    app.post(
      '/v1/login-links',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags: ['login'],
          summary: 'A link that signs a browser in as this key: it works once, for 15 minutes',
          response: { 201: loginLinkSchema },
        },
      },
      async (request, reply) => {
        // With a copied cookie an attacker could otherwise extend access past the end of the session.
        if (request.headers.authorization === undefined)
          throw new Problem('forbidden', {
            detail: 'a login link is made with an API key, not by a session',
          });
        const { ticket, expiresAt } = access.createLoginTicket(request.principal);
        log.info({ by: request.principal.name }, 'login link: created');
        const scheme = isOverTls(request, config.http.publicUrl) ? 'https' : 'http';
        return reply.code(201).send({ url: `${scheme}://${request.host}/login?ticket=${ticket}`, expiresAt });
      },
    );
  };
}
