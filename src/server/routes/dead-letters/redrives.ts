/** /v1/redrives: redrives dead letters by filter, with a preview, a rate and progress. A redrive can be stopped. */
import { z } from 'zod';
import type { MediaFilter } from '../../../catalogue/media/filter.ts';
import type { Redrivable, RedriveFilter } from '../../../catalogue/redrive/filter.ts';
import { CHOSEN_LIMIT, TooManyChosenError } from '../../../catalogue/redrive/redrive-row.ts';
import { type Principal, resolveAccount } from '../../auth/access.ts';
import { type FieldError, languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { groupJson } from '../../views/dead-letter.ts';
import { count, responseTime } from '../field-schemas.ts';
import { type FilterBody, keptFilterOf, mediaFilterOf, personalPartOf } from '../filter-body.ts';
import { deadLetterGroupsSchema } from './group-schema.ts';
import { redriveBody } from './redrive-body.ts';

const tags = ['dead letters'];
const LIST_LIMIT = 50;

const redriveParams = z.object({ id: z.string().regex(/^r_[0-9a-f]{32}$/, 'is not the id of a redrive') });

export const previewSchema: z.ZodType = z.object({ matched: count, groups: deadLetterGroupsSchema });
export const acceptedSchema: z.ZodType = z.object({ id: z.string(), matched: count });

export const redriveSchema: z.ZodType = z
  .object({
    id: z.string(),
    state: z.enum(['running', 'stopped', 'done']),
    done: count.describe('media items that this redrive made pending'),
    skipped: count.describe(
      'at the end: media items that were archived, erased or pending before they could be redriven',
    ),
    total: count,
    filter: z
      .looseObject({})
      .describe('notKept names the fields whose values lead to persons or items, and are not stored'),
    rate: count.describe('media items per second'),
    actor: z.string().describe('the name of the key that requested it'),
    reason: z.string().optional(),
    askedAt: responseTime,
    endedAt: responseTime.optional(),
  })
  .meta({ id: 'Redrive' });
export const redrivesSchema: z.ZodType = z.object({ items: z.array(redriveSchema) });

/** Divides a filter into what is stored and what is resolved to items when the redrive is created. */
function selectionOf(
  requested: FilterBody,
  account: readonly string[] | undefined,
  force: boolean,
): { filter: RedriveFilter; chosen?: MediaFilter } {
  const status = (requested.status ?? (force ? ['dead', 'expired'] : ['dead'])) as Redrivable[];
  const filter: RedriveFilter = { ...keptFilterOf(requested), status, account };
  const chosen = personalPartOf(requested);
  return chosen ? { filter, chosen: mediaFilterOf(chosen, account) } : { filter };
}

function explain(error: unknown): never {
  if (!(error instanceof TooManyChosenError)) throw error;
  const message = `matches more than ${CHOSEN_LIMIT} media items by the ids of persons or items: narrow the filter`;
  throw new Problem('invalid_request', { errors: [{ field: 'filter', message }] });
}

export function redriveRoutes(deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'log'>) {
  const { accounts, catalogue, clock, log } = deps;

  /**
   * Returns the ids of the named accounts, or throws if the principal may not see one of them; undefined: all accounts.
   */
  function accountsOf(principal: Principal, names: readonly string[] | undefined) {
    const errors: FieldError[] = [];
    const ids = names?.map((name, index) => {
      const account = resolveAccount(principal, accounts, name);
      if (!accounts.find(account))
        errors.push({ field: `filter.account.${index}`, message: `${name} is not configured` });
      return account;
    });
    if (errors.length > 0) throw new Problem('unknown_account', { errors });
    return ids ?? principal.accounts;
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
          summary: 'Redrive dead letters: 202, or with dryRun 200 and the matching groups',
          body: redriveBody,
          response: { 200: previewSchema, 202: acceptedSchema },
        },
      },
      async (request, reply) => {
        const { filter: requested, limit, rate, reason, dryRun, force } = request.body;
        const { principal } = request;
        const selected = selectionOf(requested, accountsOf(principal, requested.account), force);
        const now = clock.now();
        if (dryRun) {
          const { matched, groups } = await catalogue.redrives.preview(selected, now).catch(explain);
          const language = languageOf(request);
          return { matched, groups: groups.map((group) => groupJson(group, language)) };
        }
        const actor = principal.name;
        const accepted = await catalogue.redrives
          .create({ ...selected, limit, rate, reason, actor }, now)
          .catch(explain);
        const { id, matched } = accepted;
        log.info({ redrive: id, matched, by: actor }, 'redrive: requested');
        return reply.code(202).header('location', `/v1/redrives/${id}`).send(accepted);
      },
    );

    app.get(
      '/v1/redrives',
      {
        config: { scope: 'read', accountScoped: true },
        schema: { tags, summary: `The latest ${LIST_LIMIT} redrives`, response: { 200: redrivesSchema } },
      },
      async (request) => ({ items: await catalogue.redrives.list(LIST_LIMIT, request.principal.accounts) }),
    );

    app.get(
      '/v1/redrives/:id',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          summary: 'Progress of a redrive',
          params: redriveParams,
          response: { 200: redriveSchema },
        },
      },
      (request) => find(request.params.id, request.principal),
    );

    app.delete(
      '/v1/redrives/:id',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          summary: 'Stop a redrive: media items that it made pending stay pending, and no others follow',
          params: redriveParams,
          response: { 200: redriveSchema },
        },
      },
      async (request) => {
        const { id } = await find(request.params.id, request.principal);
        if (await catalogue.redrives.stop(id, request.principal.name, clock.now())) {
          log.info({ redrive: id, by: request.principal.name }, 'redrive: stopped');
        }
        return find(id, request.principal);
      },
    );
  };
}
