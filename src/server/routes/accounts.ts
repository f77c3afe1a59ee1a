/** /v1/accounts: the configured accounts, without their secrets, and how they are. */
import type { App, ServerDeps } from '../app.ts';

export function accountRoutes(deps: Pick<ServerDeps, 'access' | 'accounts' | 'catalogue' | 'clock'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/accounts',
      { schema: { tags: ['accounts'], summary: 'Accounts: hold, token, last callback' } },
      async (request) => {
        const principal = deps.access.authorize(request, 'read');
        const now = deps.clock.now();
        const states = new Map(
          (await deps.catalogue.accounts.states()).map((state) => [state.account, state]),
        );
        const items = deps.accounts.all
          .filter(({ account }) => principal.accounts?.includes(account) ?? true)
          .map(({ account, name, product }) => {
            const { lastCallbackAt, heldUntil, tokenExpiresAt } = states.get(account) ?? {};
            return {
              account,
              ...(name ? { name } : {}),
              product,
              ...(lastCallbackAt ? { lastCallbackAt } : {}),
              ...(tokenExpiresAt ? { token: { expiresAt: tokenExpiresAt } } : {}),
              hold: heldUntil && heldUntil > now ? { until: heldUntil } : null,
            };
          });
        return { items };
      },
    );
  };
}
