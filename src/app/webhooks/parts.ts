/** What the API needs of webhooks: their secrets, the rules of addresses, and a test message. */
import { randomBytes } from 'node:crypto';
import type { Accounts } from '../../account.ts';
import type { WebhookEndpoint } from '../../catalogue/webhooks/endpoint-row.ts';
import type { Config } from '../../config/config.ts';
import { createEndpointSecrets, type EndpointSecrets } from '../../pipeline/webhooks/endpoint-secrets.ts';
import { secretsToSign } from '../../pipeline/webhooks/sender.ts';
import { ADDRESS_RULES, type AddressRule, brokenRule } from '../../pipeline/webhooks/webhook-address.ts';
import { testBody } from '../../pipeline/webhooks/webhook-body.ts';
import {
  createWebhookClient,
  type SendResult,
  type WebhookClient,
} from '../../pipeline/webhooks/webhook-client.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Shutdown } from '../../runtime/shutdown.ts';
import { StartError } from '../run.ts';

/** What the API needs of webhooks. */
export interface Webhooks {
  readonly secrets: EndpointSecrets;
  /** Returns the rule that an address breaks; undefined if it may be used. */
  brokenRule(url: string): AddressRule | undefined;
  /** Sends a test message now and resolves with what became of it. */
  test(endpoint: WebhookEndpoint, signal: AbortSignal): Promise<SendResult>;
}

interface Parts {
  readonly config: Pick<Config, 's3' | 'webhooks'>;
  readonly accounts: Accounts;
  readonly clock: Pick<Clock, 'now'>;
  readonly shutdown: Pick<Shutdown, 'step'>;
}

export const createSecrets = ({ config, accounts }: Pick<Parts, 'config' | 'accounts'>): EndpointSecrets =>
  createEndpointSecrets({ accounts, storeSecret: config.s3?.secretAccessKey });

export function openClient(
  { config, shutdown }: Pick<Parts, 'config' | 'shutdown'>,
  timeoutMs?: number,
): WebhookClient {
  const client = createWebhookClient({
    allowed: config.webhooks.allowed,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  shutdown.step('webhook connections', () => client.close());
  return client;
}

/** Throws {@link StartError} if nothing could ever be sent to WEBHOOK_URL. The address may contain a key: it is not quoted. */
function requireUsableUrl({ configured, allowed }: Config['webhooks']): void {
  const rule = configured && brokenRule(configured.url, allowed);
  if (rule) throw new StartError(`WEBHOOK_URL ${ADDRESS_RULES[rule].en}.`);
}

/** Opens what the API needs of webhooks. Throws {@link StartError} for a WEBHOOK_URL that breaks a rule of addresses. */
export function openWebhooks(parts: Parts): Webhooks {
  requireUsableUrl(parts.config.webhooks);
  const secrets = createSecrets(parts);
  const client = openClient(parts);
  return {
    secrets,
    brokenRule: (url) => brokenRule(url, parts.config.webhooks.allowed),
    test: async (endpoint, signal) => {
      const sentAt = parts.clock.now();
      const signing = secretsToSign(endpoint, secrets, sentAt);
      if (signing.length === 0) return { reason: 'secret_unreadable', durationMs: 0 };
      const id = `evt_${randomBytes(16).toString('hex')}`;
      return client.send(endpoint.url, { id, sentAt, body: testBody(id, sentAt) }, signing, signal);
    },
  };
}
