/** /v1/webhooks: the endpoints to which events are sent. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { CONFIGURED_ENDPOINT } from '../../../catalogue/webhooks/endpoint-row.ts';
import { ADDRESS_RULES } from '../../../pipeline/webhooks/webhook-address.ts';
import { createSecret } from '../../../signing-secret.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { endpointJson } from '../../views/webhook.ts';
import { accountsOf, checkTypes, findEndpoint, isVisible, refuseConfigured } from './find-endpoint.ts';
import {
  changeBody,
  createBody,
  endpointExample,
  endpointSchema,
  endpointsSchema,
  webhookParams,
  withSecretExample,
  withSecretSchema,
} from './webhook-schema.ts';

export const tags = ['webhooks'];

type Deps = Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'webhooks' | 'log'>;

export function webhookRoutes(deps: Deps) {
  const { catalogue, clock, webhooks, log } = deps;
  const { endpoints } = catalogue.webhooks;

  const viewer = (request: FastifyRequest) => ({
    principal: request.principal,
    language: languageOf(request),
    now: clock.now(),
  });
  const actOf = (request: FastifyRequest) => ({ by: request.principal.name, now: clock.now() });
  const show = async (request: FastifyRequest, id: string) =>
    endpointJson(await findEndpoint(catalogue, id, request.principal), viewer(request));

  function checkUrl(url: string | undefined): void {
    const rule = url === undefined ? undefined : webhooks.brokenRule(url);
    if (!rule) return;
    throw new Problem('webhook_address', {
      errors: [{ field: 'url', message: ADDRESS_RULES[rule] }],
      more: { rule },
    });
  }

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/webhooks',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          operationId: 'createWebhook',
          summary: 'Create a webhook endpoint',
          description: 'The response has its signing secret, which is shown only once.',
          body: createBody,
          response: { 201: withSecretSchema },
          examples: {
            body: { url: endpointExample.url, types: endpointExample.types },
            response: { 201: withSecretExample },
          },
          problems: ['unknown_account', 'webhook_address', 'webhook_limit'],
        },
      },
      async (request, reply) => {
        const { url, description, types, accounts: given } = request.body;
        checkUrl(url);
        const accounts = accountsOf(deps, request.principal, given);
        checkTypes({ types, accounts });
        const secret = createSecret();
        const created = await endpoints.create(
          { url, description, types, accounts, secret: webhooks.secrets.encrypt(secret) },
          actOf(request),
        );
        if (!created) throw new Problem('webhook_limit');
        log.info({ endpoint: created.id, by: request.principal.name }, 'webhooks: endpoint created');
        reply.code(201).header('location', `/v1/webhooks/${created.id}`);
        return { ...(await show(request, created.id)), secret };
      },
    );

    app.get(
      '/v1/webhooks',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'listWebhooks',
          summary: 'List the webhook endpoints, the oldest first',
          response: { 200: endpointsSchema },
          examples: { response: { 200: { items: [endpointExample] } } },
        },
      },
      async (request) => {
        const all = await endpoints.states();
        const visible = all.filter((endpoint) => isVisible(request.principal, endpoint));
        return { items: visible.map((endpoint) => endpointJson(endpoint, viewer(request))) };
      },
    );

    app.get(
      '/v1/webhooks/:id',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'getWebhook',
          summary: 'Get a webhook endpoint and how its deliveries fare',
          params: webhookParams,
          response: { 200: endpointSchema },
          examples: { params: { id: endpointExample.id }, response: { 200: endpointExample } },
          problems: ['webhook_not_found'],
        },
      },
      async (request) => show(request, request.params.id),
    );

    app.patch(
      '/v1/webhooks/:id',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          operationId: 'changeWebhook',
          summary: 'Change a webhook endpoint',
          description: 'Fields that are absent stay as they are.',
          params: webhookParams,
          body: changeBody,
          response: { 200: endpointSchema },
          examples: {
            params: { id: endpointExample.id },
            body: { types: ['media.archived'] },
            response: { 200: { ...endpointExample, types: ['media.archived'] } },
          },
          problems: ['webhook_not_found', 'webhook_configured', 'webhook_address', 'unknown_account'],
        },
      },
      async (request) => {
        const { id } = request.params;
        const before = await findEndpoint(catalogue, id, request.principal);
        refuseConfigured(before);
        const { url, description, types, accounts: given } = request.body;
        checkUrl(url);
        const accounts = given === undefined ? undefined : accountsOf(deps, request.principal, given);
        checkTypes({
          types: types === undefined ? before.types : types,
          accounts: accounts === undefined ? before.accounts : accounts,
        });
        await endpoints.update(id, { url, description, types, accounts }, actOf(request));
        return show(request, id);
      },
    );

    app.delete(
      '/v1/webhooks/:id',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          operationId: 'deleteWebhook',
          summary: 'Delete a webhook endpoint with its deliveries',
          params: webhookParams,
          response: { 204: z.null().describe('it is deleted') },
          examples: { params: { id: endpointExample.id } },
          problems: ['webhook_not_found', 'webhook_configured'],
        },
      },
      async (request, reply) => {
        const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
        if (endpoint.disabled?.reason !== 'not_configured') refuseConfigured(endpoint);
        await endpoints.delete(endpoint.id, actOf(request));
        log.info({ endpoint: endpoint.id, by: request.principal.name }, 'webhooks: endpoint deleted');
        return reply.code(204).send(null);
      },
    );

    for (const action of ['enable', 'disable'] as const) {
      app.post(
        `/v1/webhooks/:id/${action}`,
        {
          config: { scope: 'admin', accountScoped: true },
          schema: {
            tags,
            operationId: `${action}Webhook`,
            summary: action === 'enable' ? 'Enable a webhook endpoint' : 'Disable a webhook endpoint',
            description:
              action === 'enable'
                ? 'It goes on where it was; `hasMissed` says whether events are not kept any more.'
                : 'Its deliveries and its place in the feed are kept.',
            params: webhookParams,
            response: { 200: endpointSchema },
            examples: { params: { id: endpointExample.id }, response: { 200: endpointExample } },
            problems: ['webhook_not_found', 'webhook_configured'],
          },
        },
        async (request) => {
          const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
          if (endpoint.id === CONFIGURED_ENDPOINT && endpoint.disabled?.reason === 'not_configured')
            throw new Problem('webhook_configured');
          if (action === 'enable') await endpoints.enable(endpoint.id, actOf(request));
          else await endpoints.disable(endpoint.id, 'by_hand', actOf(request));
          return show(request, endpoint.id);
        },
      );
    }
  };
}
