/** /v1/webhooks: the endpoints to which events are sent. */
import type { FastifyRequest } from 'fastify';
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
  endpointSchema,
  endpointsSchema,
  webhookParams,
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

  function checkUrl(request: FastifyRequest, url: string | undefined): void {
    const rule = url === undefined ? undefined : webhooks.brokenRule(url);
    if (!rule) return;
    const message = ADDRESS_RULES[rule][languageOf(request)];
    throw new Problem('webhook_address', { errors: [{ field: 'url', message }], more: { rule } });
  }

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/webhooks',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          summary: 'Create a webhook endpoint; the response has its signing secret, which is shown only once',
          body: createBody,
          response: { 201: withSecretSchema },
        },
      },
      async (request, reply) => {
        const { url, description, types, accounts: given } = request.body;
        checkUrl(request, url);
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
          summary: 'The webhook endpoints, the oldest first',
          response: { 200: endpointsSchema },
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
          summary: 'A webhook endpoint and how its deliveries fare',
          params: webhookParams,
          response: { 200: endpointSchema },
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
          summary: 'Change a webhook endpoint; fields that are absent stay as they are',
          params: webhookParams,
          body: changeBody,
          response: { 200: endpointSchema },
        },
      },
      async (request) => {
        const { id } = request.params;
        const before = await findEndpoint(catalogue, id, request.principal);
        refuseConfigured(before);
        const { url, description, types, accounts: given } = request.body;
        checkUrl(request, url);
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
        schema: { tags, summary: 'Delete a webhook endpoint with its deliveries', params: webhookParams },
      },
      async (request, reply) => {
        const endpoint = await findEndpoint(catalogue, request.params.id, request.principal);
        if (endpoint.disabled?.reason !== 'not_configured') refuseConfigured(endpoint);
        await endpoints.delete(endpoint.id, actOf(request));
        log.info({ endpoint: endpoint.id, by: request.principal.name }, 'webhooks: endpoint deleted');
        return reply.code(204).send();
      },
    );

    for (const action of ['enable', 'disable'] as const) {
      app.post(
        `/v1/webhooks/:id/${action}`,
        {
          config: { scope: 'admin', accountScoped: true },
          schema: {
            tags,
            summary:
              action === 'enable'
                ? 'Enable a webhook endpoint: it goes on where it was; hasMissed says whether events are not kept any more'
                : 'Disable a webhook endpoint: its deliveries and its place in the feed are kept',
            params: webhookParams,
            response: { 200: endpointSchema },
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
