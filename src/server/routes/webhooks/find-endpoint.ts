/** Reads the webhook endpoint whose id is in a route's path, and decides which endpoints a key may see and make. */
import type { Catalogue } from '../../../catalogue/catalogue.ts';
import type { WebhookEndpoint } from '../../../catalogue/webhooks/endpoint-row.ts';
import { CONFIGURED_ENDPOINT } from '../../../catalogue/webhooks/endpoint-row.ts';
import type { EndpointChange, EndpointState } from '../../../catalogue/webhooks/endpoints.ts';
import { type Principal, resolveAccount } from '../../auth/access.ts';
import { Problem } from '../../problem.ts';
import type { RouteDeps } from '../../route-deps.ts';

/** A key that is bound to accounts sees endpoints of these accounts only, and none of all accounts. */
export const isVisible = (principal: Principal, { accounts }: Pick<WebhookEndpoint, 'accounts'>): boolean =>
  !principal.accounts || (accounts?.every((account) => principal.accounts!.includes(account)) ?? false);

/** Throws Problem `webhook_not_found`, also for an endpoint that the key may not see. */
export async function findEndpoint(
  catalogue: { webhooks: { endpoints: Pick<Catalogue['webhooks']['endpoints'], 'states'> } },
  id: string,
  principal: Principal,
): Promise<EndpointState> {
  const [endpoint] = await catalogue.webhooks.endpoints.states(id);
  if (!endpoint || !isVisible(principal, endpoint)) throw new Problem('webhook_not_found');
  return endpoint;
}

/** Throws Problem `webhook_configured` for the endpoint of WEBHOOK_URL. */
export function refuseConfigured({ id }: Pick<WebhookEndpoint, 'id'>): void {
  if (id === CONFIGURED_ENDPOINT) throw new Problem('webhook_configured');
}

/**
 * Returns the ids of the accounts; those of a key that is bound, where none are named. Null: all. Throws Problem
 * `forbidden` for accounts of others, `unknown_account` for names that no account has.
 */
export function accountsOf(
  { accounts }: Pick<RouteDeps, 'accounts'>,
  principal: Principal,
  given: readonly string[] | null | undefined,
): string[] | null {
  if (!given) return principal.accounts ? [...principal.accounts] : null;
  const resolved = given.map((name) => {
    const account = resolveAccount(principal, accounts, name);
    if (!accounts.find(account)) throw new Problem('unknown_account', { detail: `no account ${name}` });
    return account;
  });
  return [...new Set(resolved)];
}

/** Throws Problem `invalid_request` where an endpoint of single accounts asks for events of the store. */
export function checkTypes({ types, accounts }: Pick<EndpointChange, 'types' | 'accounts'>): void {
  if (accounts && types?.some((type) => type.startsWith('store.')))
    throw new Problem('invalid_request', {
      errors: [
        {
          field: 'types',
          message: {
            en: 'must not contain events of the store in an endpoint of single accounts',
            zh: '仅针对部分账号的接收地址不能包含存储的事件',
          },
        },
      ],
    });
}
