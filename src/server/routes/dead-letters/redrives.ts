/** /v1/redrives: dead letters tried again by filter; previewed, throttled, watched and stopped. */
import { z } from 'zod';
import type { RedriveFilter } from '../../../catalogue/redrive/filter.ts';
import { type Principal, resolveAccount } from '../../auth/access.ts';
import { type FieldError, languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { groupJson } from '../../views/dead-letter.ts';
import { ASKED, PREVIEW, REDRIVE, REDRIVES } from '../schemas.ts';
import { redriveBody } from './redrive-body.ts';

const tags = ['dead letters'];
const PARAMS = z.object({ id: z.string().regex(/^r_[0-9a-f]{32}$/, 'is not an id of a redrive') });
const LIST_LIMIT = 50;

export function redriveRoutes(deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'log'>) {
  const { accounts, catalogue, clock, log } = deps;

  /** By identity, and among those that the principal may see; undefined: all there are. */
  function accountsOf(principal: Principal, words: readonly string[] | undefined) {
    const errors: FieldError[] = [];
    const asked = words?.map((word, index) => {
      const account = resolveAccount(principal, accounts, word);
      if (!accounts.find(account))
        errors.push({ field: `filter.account.${index}`, message: `${word} is not configured` });
      return account;
    });
    if (errors.length > 0) throw new Problem('unknown_account', { errors });
    return asked ?? principal.accounts;
  }

  async function find(id: string, principal: Principal) {
    const redrive = await catalogue.redrives.get(id, principal.accounts);
    if (!redrive) throw new Problem('redrive_not_found');
    return redrive;
  }

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/redrives',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          summary: 'Try dead letters again: 200 and what it would take with dryRun, else 202',
          body: redriveBody,
          response: { 200: PREVIEW, 202: ASKED },
        },
      },
      async (request, reply) => {
        const { filter: given, limit, rate, reason, dryRun, force } = request.body;
        const { principal } = request;
        const status = given.status ?? (force ? ['dead', 'expired'] : ['dead']);
        const filter: RedriveFilter = { ...given, status, account: accountsOf(principal, given.account) };
        const now = clock.now();
        if (dryRun) {
          const { matched, groups } = await catalogue.redrives.preview(filter, now);
          const language = languageOf(request);
          return { matched, groups: groups.map((group) => groupJson(group, language)) };
        }
        const wish = { filter, limit, rate, reason, actor: principal.name };
        const asked = await catalogue.redrives.ask(wish, now);
        log.info({ redrive: asked.id, matched: asked.matched, by: principal.name }, 'a redrive is asked for');
        return reply.code(202).header('location', `/v1/redrives/${asked.id}`).send(asked);
      },
    );

    app.get(
      '/v1/redrives',
      {
        config: { scope: 'read', accountScoped: true },
        schema: { tags, summary: `The latest ${LIST_LIMIT} redrives`, response: { 200: REDRIVES } },
      },
      async (request) => ({ items: await catalogue.redrives.list(LIST_LIMIT, request.principal.accounts) }),
    );

    app.get(
      '/v1/redrives/:id',
      {
        config: { scope: 'read', accountScoped: true },
        schema: { tags, summary: 'How far a redrive is', params: PARAMS, response: { 200: REDRIVE } },
      },
      (request) => find(request.params.id, request.principal),
    );

    app.delete(
      '/v1/redrives/:id',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          summary: 'Stop a redrive: what is pending by it stays so, nothing follows',
          params: PARAMS,
          response: { 200: REDRIVE },
        },
      },
      async (request) => {
        const { id } = await find(request.params.id, request.principal);
        if (await catalogue.redrives.stop(id, request.principal.name, clock.now())) {
          log.info({ redrive: id, by: request.principal.name }, 'a redrive is stopped');
        }
        return find(id, request.principal);
      },
    );
  };
}
