/** Acts on a webhook endpoint: a test message, a new secret, a replay, a delivery that is sent again. */

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
  deliveryParams,
  deliverySchema,
  replayBody,
  replayedSchema,
  testedSchema,
  webhookParams,
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
          summary: 'Send a message of type webhook.test now; the response says what became of it',
          params: webhookParams,
          response: { 200: testedSchema },
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
          summary:
            'Replace the signing secret: the new one is in the response, and the old one signs too for 24 h',
          params: webhookParams,
          response: { 200: withSecretSchema },
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
          summary: 'Send the events of a time again, as new deliveries of the same events',
          params: webhookParams,
          body: replayBody,
          response: { 202: replayedSchema },
        },
      },
      async (request, reply) => {
        const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
        const now = clock.now();
        const from = new Date(request.body.from);
        const to = request.body.to === undefined ? now : new Date(request.body.to);
        const wrong = (field: string, message: string) =>
          new Problem('invalid_request', { errors: [{ field, message }] });
        if (!(from < to)) throw wrong('from', 'must be before to');
        if (from.getTime() < now.getTime() - lifetimes.scale(config.eventRetentionMs))
          throw wrong('from', 'is before the oldest events that are kept; see EVENT_RETENTION');
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
          summary: 'The deliveries of a webhook endpoint, newest first',
          params: webhookParams,
          querystring: deliveriesQuery,
          response: { 200: deliveriesSchema },
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
          summary: 'Send a delivery again now, whatever became of it, with all its attempts',
          params: deliveryParams,
          response: { 202: deliverySchema },
        },
      },
      async (request, reply) => {
        const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
        const act = { by: request.principal.name, now: clock.now() };
        const delivery = await deliveries.resend(endpoint, request.params.delivery, act);
        if (!delivery) throw new Problem('delivery_not_found');
        reply.code(202);
        return deliveryJson(delivery, languageOf(request));
      },
    );
  };
}
