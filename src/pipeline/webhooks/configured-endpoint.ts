/** Keeps the endpoint of WEBHOOK_URL in step with the configuration. Called at the start of every server. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { CONFIGURED_ENDPOINT } from '../../catalogue/webhooks/endpoint-row.ts';
import type { WebhookSettings } from '../../config/webhooks/webhook-settings.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { EndpointSecrets } from './endpoint-secrets.ts';
import { PREVIOUS_SECRET_MS } from './retry-policy.ts';

const ACTOR = 'configuration';

/**
 * Creates or changes the endpoint. Where WEBHOOK_URL was removed it is disabled and not deleted, because its place in
 * the feed would be lost by a mistake.
 */
export async function saveConfiguredEndpoint(
  deps: {
    catalogue: {
      webhooks: { endpoints: Pick<Catalogue['webhooks']['endpoints'], 'get' | 'saveConfigured' | 'disable'> };
    };
    secrets: EndpointSecrets;
    clock: Pick<Clock, 'now'>;
    lifetimes: Pick<Lifetimes, 'scale'>;
  },
  { configured }: Pick<WebhookSettings, 'configured'>,
): Promise<void> {
  const { endpoints } = deps.catalogue.webhooks;
  const now = deps.clock.now();
  const act = { by: ACTOR, now };
  if (!configured) {
    const left = await endpoints.get(CONFIGURED_ENDPOINT);
    if (left && left.disabled?.reason !== 'not_configured')
      await endpoints.disable(CONFIGURED_ENDPOINT, 'not_configured', act);
    return;
  }
  await endpoints.saveConfigured(
    {
      url: configured.url,
      secret: deps.secrets.encrypt(configured.secret),
      isSecretNew: (before) => deps.secrets.decrypt(before.secret) !== configured.secret,
      previousUntil: new Date(now.getTime() + deps.lifetimes.scale(PREVIOUS_SECRET_MS)),
    },
    act,
  );
}
