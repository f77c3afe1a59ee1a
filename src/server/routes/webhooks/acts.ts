/** Acts on a webhook endpoint: a test message, a new secret, a replay, a delivery that is sent again. */
import type { LocalizedText } from '../../../explanation.ts';
import { explainDeliveryFailure } from '../../../pipeline/webhooks/delivery-failures.ts';
import { PREVIOUS_SECRET_MS } from '../../../pipeline/webhooks/retry-policy.ts';
import { createSecret } from '../../../signing-secret.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { deliveryJson, endpointJson } from '../../views/webhook.ts';
import { tags } from './endpoints.ts';
import { findEndpoint, refuseConfigured } from './find-endpoint.ts';
import {
  deliveriesQuery,
  deliveriesSchema,
  deliveryExample,
  deliveryParams,
  deliverySchema,
  endpointExample,
  replayBody,
  replayedSchema,
  testedSchema,
  webhookParams,
  withSecretExample,
  withSecretSchema,
} from './webhook-schema.ts';

const CURSOR = /^d(\d{1,15})$/;

type Deps = Pick<RouteDeps, 'catalogue' | 'clock' | 'config' | 'lifetimes' | 'log' | 'shutdown' | 'webhooks'>;

export function webhookActRoutes({ catalogue, clock, config, lifetimes, log, shutdown, webhooks }: Deps) {
  const { endpoints, deliveries, replay } = catalogue.webhooks;
  const admin = { scope: 'admin', accountScoped: true } as const;

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/webhooks/:id/test',
      {
        config: admin,
        schema: {
          tags,
          operationId: 'testWebhook',
          summary: 'Send a test message now',
          description: 'A message of type `webhook.test`; the response says what became of it.',
          params: webhookParams,
          response: { 200: testedSchema },
          examples: {
            params: { id: endpointExample.id },
            response: { 200: { delivered: true, status: 204, durationMs: 84 } },
          },
          problems: ['webhook_not_found'],
        },
      },
      async (request) => {
        const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
        const { reason, status, durationMs } = await webhooks.test(endpoint, shutdown.signal);
        const delivered = reason === undefined;
        await catalogue.auditLog.write({
          at: clock.now(),
          actor: request.principal.name,
          action: 'webhook.test',
          target: endpoint.id,
          accounts: endpoint.accounts,
          detail: { delivered, ...(reason ? { reason } : {}) },
        });
        const message = reason && explainDeliveryFailure(reason)[languageOf(request)];
        return { delivered, status, reason, message, durationMs };
      },
    );

    app.post(
      '/v1/webhooks/:id/rotate-secret',
      {
        config: admin,
        schema: {
          tags,
          operationId: 'rotateWebhookSecret',
          summary: 'Replace the signing secret',
          description: 'The new one is in the response; the old one signs too for 24 h.',
          params: webhookParams,
          response: { 200: withSecretSchema },
          examples: { params: { id: endpointExample.id }, response: { 200: withSecretExample } },
          problems: ['webhook_not_found', 'webhook_configured'],
        },
      },
      async (request) => {
        const { id } = await findEndpoint(catalogue, request.params.id, request.principal);
        refuseConfigured({ id });
        const secret = createSecret();
        const now = clock.now();
        const until = new Date(now.getTime() + lifetimes.scale(PREVIOUS_SECRET_MS));
        await endpoints.rotate(id, webhooks.secrets.encrypt(secret), until, {
          by: request.principal.name,
          now,
        });
        const after = await findEndpoint(catalogue, id, request.principal);
        const viewer = { principal: request.principal, language: languageOf(request), now };
        return { ...endpointJson(after, viewer), secret };
      },
    );

    app.post(
      '/v1/webhooks/:id/replay',
      {
        config: admin,
        schema: {
          tags,
          operationId: 'replayWebhook',
          summary: 'Send the events of a time again',
          description: 'As new deliveries of the same events.',
          params: webhookParams,
          body: replayBody,
          response: { 202: replayedSchema },
          examples: {
            params: { id: endpointExample.id },
            body: { from: '2026-11-20T08:00:00.000Z', to: '2026-11-20T09:00:00.000Z' },
            response: { 202: { made: 120 } },
          },
          problems: ['webhook_not_found', 'replay_too_large'],
        },
      },
      async (request, reply) => {
        const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
        const now = clock.now();
        const from = new Date(request.body.from);
        const to = request.body.to === undefined ? now : new Date(request.body.to);
        const wrong = (field: string, message: LocalizedText) =>
          new Problem('invalid_request', { errors: [{ field, message }] });
        if (!(from < to)) throw wrong('from', { en: 'must be before to', zh: '必须早于 to' });
        if (from.getTime() < now.getTime() - lifetimes.scale(config.eventRetentionMs))
          throw wrong('from', {
            en: 'is before the oldest events that are kept; see EVENT_RETENTION',
            zh: '早于仍保留的最早事件，参见 EVENT_RETENTION',
          });
        const range = {
          after: await catalogue.events.positionBefore(from),
          until: await catalogue.events.positionBefore(to),
        };
        const result = await replay(endpoint.id, range, now);
        if ('matched' in result) throw new Problem('replay_too_large', { more: { ...result } });
        const by = request.principal.name;
        await catalogue.auditLog.write({
          at: now,
          actor: by,
          action: 'webhook.replay',
          target: endpoint.id,
          accounts: endpoint.accounts,
          detail: { from, to, made: result.made },
        });
        log.info({ endpoint: endpoint.id, made: result.made, by }, 'webhooks: replayed');
        reply.code(202);
        return result;
      },
    );

    app.get(
      '/v1/webhooks/:id/deliveries',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'listDeliveries',
          summary: 'List the deliveries of an endpoint, newest first',
          params: webhookParams,
          querystring: deliveriesQuery,
          response: { 200: deliveriesSchema },
          examples: {
            params: { id: endpointExample.id },
            querystring: { state: 'failed' },
            response: { 200: { items: [deliveryExample], nextCursor: null } },
          },
          problems: ['webhook_not_found', 'invalid_cursor'],
        },
      },
      async (request) => {
        const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
        const { state, limit, cursor } = request.query;
        const [, before] = CURSOR.exec(cursor ?? '') ?? [];
        if (cursor !== undefined && before === undefined) throw new Problem('invalid_cursor');
        const page = { state, before: before === undefined ? undefined : Number(before), limit: limit + 1 };
        const found = await deliveries.list(endpoint.id, page, clock.now());
        const items = found.slice(0, limit).map((one) => deliveryJson(one, languageOf(request)));
        return { items, nextCursor: found.length > limit ? `d${items.at(-1)?.id}` : null };
      },
    );

    app.post(
      '/v1/webhooks/:id/deliveries/:delivery/resend',
      {
        config: admin,
        schema: {
          tags,
          operationId: 'resendDelivery',
          summary: 'Send a delivery again now',
          description: 'Whatever became of it, and with all its attempts.',
          params: deliveryParams,
          response: { 202: deliverySchema },
          examples: {
            params: { id: endpointExample.id, delivery: deliveryExample.id },
            response: { 202: deliveryExample },
          },
          problems: ['webhook_not_found', 'delivery_not_found'],
        },
      },
      async (request, reply) => {
        const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
        const act = { by: request.principal.name, now: clock.now() };
        const delivery = await deliveries.resend(endpoint.id, request.params.delivery, act);
        if (!delivery) throw new Problem('delivery_not_found');
        reply.code(202);
        return deliveryJson(delivery, languageOf(request));
      },
    );
  };
}
