/** POST /v1/login-links: creates a link that signs a browser in, for `wma login`. */
import { z } from 'zod';
import { isOverTls } from '../../auth/same-origin.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { responseTime } from '../field-schemas.ts';

const loginLinkSchema: z.ZodType = z.object({
  url: z.url().describe('secret until it is used'),
  expiresAt: responseTime,
});

const loginLinkExample = {
  url: 'https://media.example.org/login?ticket=Qm9y3lYb7w0',
  expiresAt: '2026-11-20T08:15:00.000Z',
};

export function loginLinkRoutes({ access, config, log }: Pick<RouteDeps, 'access' | 'config' | 'log'>) {
  return async (app: App): Promise<void> => {
    app.post(
      '/v1/login-links',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags: ['login'],
          operationId: 'createLoginLink',
          summary: 'Create a link that signs a browser in',
          description: 'With the rights of this key. It works once, for 15 minutes.',
          response: { 201: loginLinkSchema },
          examples: { response: { 201: loginLinkExample } },
        },
      },
      async (request, reply) => {
        // Otherwise an attacker with a copied cookie could keep access after the session has ended.
        if (request.headers.authorization === undefined)
          throw new Problem('forbidden', {
            detail: 'a login link can be created only with an API key, not with a session',
          });
        const { ticket, expiresAt } = access.createLoginTicket(request.principal);
        log.info({ by: request.principal.name }, 'login link: created');
        const scheme = isOverTls(request, config.http.publicUrl) ? 'https' : 'http';
        return reply.code(201).send({ url: `${scheme}://${request.host}/login?ticket=${ticket}`, expiresAt });
      },
    );
  };
}
