/** /v1/accounts: the configured accounts, without their secrets, and how they are. */
import type { FastifyRequest } from 'fastify';
import type { Failure } from '../../failures.ts';
import { explain } from '../../wechat/errcodes.ts';
import { ACCOUNTS } from '../answers.ts';
import { callbackUrlOf } from '../callback-url.ts';
import type { App, ServerDeps } from '../deps.ts';
import { type Language, languageOf } from '../problem.ts';

/** Where WeChat calls: as configured, or as the reader reached us. */
function callbackBase(http: ServerDeps['config']['http'], request: FastifyRequest): string {
  if (http.publicUrl) return http.publicUrl;
  return `http://${http.callbackPort ? `${request.hostname}:${http.callbackPort}` : request.host}`;
}

/** The failure behind a hold, with its sentence. */
function explained(hold: Failure | undefined, language: Language): Record<string, unknown> {
  if (!hold) return {};
  const { message, advice } = explain(hold);
  return { ...hold, message: message[language], advice: advice[language] };
}

export function accountRoutes(deps: Pick<ServerDeps, 'accounts' | 'catalogue' | 'clock' | 'config'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/accounts',
      {
        config: { scope: 'read' },
        schema: {
          tags: ['accounts'],
          summary: "Accounts: hold, token, last callback, and the address to paste into WeChat's console",
          response: { 200: ACCOUNTS },
        },
      },
      async (request) => {
        const { principal } = request;
        const language = languageOf(request);
        const base = callbackBase(deps.config.http, request);
        const now = deps.clock.now();
        const states = new Map(
          (await deps.catalogue.accounts.states()).map((state) => [state.account, state]),
        );
        const items = deps.accounts.all
          .filter(({ account }) => principal.accounts?.includes(account) ?? true)
          .map(({ account, name, product }) => {
            const { lastCallbackAt, heldUntil, hold, tokenExpiresAt } = states.get(account) ?? {};
            return {
              account,
              ...(name ? { name } : {}),
              product,
              callbackUrl: callbackUrlOf(base, account),
              ...(lastCallbackAt ? { lastCallbackAt } : {}),
              ...(tokenExpiresAt ? { token: { expiresAt: tokenExpiresAt } } : {}),
              hold: heldUntil && heldUntil > now ? { until: heldUntil, ...explained(hold, language) } : null,
            };
          });
        return { items };
      },
    );
  };
}
