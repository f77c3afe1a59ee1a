/** The JSON of webhook endpoints and deliveries in the API. */
import type { Delivery } from '../../catalogue/webhooks/delivery-row.ts';
import { CONFIGURED_ENDPOINT } from '../../catalogue/webhooks/endpoint-row.ts';
import type { EndpointState } from '../../catalogue/webhooks/endpoints.ts';
import { DISABLED_TEXTS, explainDeliveryFailure } from '../../pipeline/webhooks/delivery-failures.ts';
import { includesScope, type Principal } from '../auth/access.ts';
import type { Language } from '../problem.ts';

const failureJson = (reason: string, language: Language) => ({
  reason,
  message: explainDeliveryFailure(reason)[language],
});

/** The query of an address often has a key, which only admins need to see. */
function shownUrl(url: string, { scopes }: Pick<Principal, 'scopes'>): string {
  if (includesScope(scopes, 'admin') || !url.includes('?')) return url;
  return `${url.slice(0, url.indexOf('?'))}?…`;
}

export function endpointJson(
  endpoint: EndpointState,
  { principal, language, now }: { principal: Principal; language: Language; now: Date },
) {
  const { id, url, description, types, accounts, disabled, failingSince, lastFailure } = endpoint;
  const { previousSecretUntil, lastSuccessAt, pending, behind, missed, createdAt, createdBy, updatedAt } =
    endpoint;
  return {
    id,
    url: shownUrl(url, principal),
    ...(description === undefined ? {} : { description }),
    types: types ?? null,
    accounts: accounts ?? null,
    isConfigured: id === CONFIGURED_ENDPOINT,
    state: disabled ? 'disabled' : failingSince ? 'failing' : 'active',
    disabled: disabled ? { ...disabled, message: DISABLED_TEXTS[disabled.reason][language] } : null,
    ...(failingSince ? { failingSince } : {}),
    ...(lastSuccessAt ? { lastSuccessAt } : {}),
    ...(lastFailure ? { lastFailure: { ...lastFailure, ...failureJson(lastFailure.reason, language) } } : {}),
    pending,
    hasMissed: missed > 0,
    // They count the events of all accounts.
    ...(principal.accounts ? {} : { behind, missed }),
    ...(previousSecretUntil && previousSecretUntil > now ? { previousSecretUntil } : {}),
    createdAt,
    createdBy,
    updatedAt,
  };
}

export function deliveryJson({ endpoint: _, event, reason, ...delivery }: Delivery, language: Language) {
  const { position, id, type, at, account, media } = event;
  return {
    ...delivery,
    ...(reason === undefined ? {} : failureJson(reason, language)),
    event: {
      id,
      type,
      at,
      account: account ?? null,
      sequence: position,
      ...(media === undefined ? {} : { media }),
    },
  };
}
