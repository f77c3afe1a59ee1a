/** /v1/redrives: redrives dead letters by filter, with a preview, a rate and progress. A redrive can be stopped. */
import { z } from 'zod';
import type { MediaFilter } from '../../../catalogue/media/filter.ts';
import type { Redrivable, RedriveFilter } from '../../../catalogue/redrive/filter.ts';
import { CHOSEN_LIMIT, TooManyChosenError } from '../../../catalogue/redrive/redrive-row.ts';
import { type FieldError, formatted } from '../../../field-errors.ts';
import { type Principal, resolveAccount } from '../../auth/access.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { groupJson } from '../../views/dead-letter.ts';
import { count, responseTime } from '../field-schemas.ts';
import { type FilterBody, keptFilterOf, mediaFilterOf, personalPartOf } from '../filter-body.ts';
import { deadLetterGroupsSchema, groupsExample } from './group-schema.ts';
import { redriveBody } from './redrive-body.ts';

const tags = ['dead letters'];
const LIST_LIMIT = 50;

const redriveParams = z.object({
  id: formatted(/^r_[0-9a-f]{32}$/, { en: 'is not the id of a redrive', zh: '不是重新归档的 id' }),
});

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
const redriveExample = {
  id: `r_${'7c2e50a1'.repeat(4)}`,
  state: 'running',
  done: 1,
  skipped: 0,
  total: 3,
  filter: { status: ['dead'], code: ['invalid_media_id'] },
  rate: 20,
  actor: 'operator',
  reason: 'media ids were corrected',
  askedAt: '2026-11-20T10:00:00.000Z',
};
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
  const message = {
    en: `matches more than ${CHOSEN_LIMIT} media items by the ids of persons or items: narrow the filter`,
    zh: `按人员或素材的 id 匹配超过 ${CHOSEN_LIMIT} 个素材：请缩小筛选范围`,
  };
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
        errors.push({
          field: `filter.account.${index}`,
          message: { en: `${name} is not configured`, zh: `未配置账号 ${name}` },
        });
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
          operationId: 'createRedrive',
          summary: 'Redrive dead letters by a filter',
          description: 'Returns 202 with its id, or with `dryRun` 200 and the groups that match.',
          body: redriveBody,
          response: { 200: previewSchema, 202: acceptedSchema },
          examples: {
            body: { filter: { code: ['invalid_media_id'] }, rate: 20, reason: 'media ids were corrected' },
            response: {
              200: { matched: 3, groups: groupsExample },
              202: { id: redriveExample.id, matched: 3 },
            },
          },
          problems: ['unknown_account'],
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
        schema: {
          tags,
          operationId: 'listRedrives',
          summary: `List the latest ${LIST_LIMIT} redrives`,
          response: { 200: redrivesSchema },
          examples: { response: { 200: { items: [redriveExample] } } },
        },
      },
      async (request) => ({ items: await catalogue.redrives.list(LIST_LIMIT, request.principal.accounts) }),
    );

    app.get(
      '/v1/redrives/:id',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'getRedrive',
          summary: 'Get the progress of a redrive',
          params: redriveParams,
          response: { 200: redriveSchema },
          examples: { params: { id: redriveExample.id }, response: { 200: redriveExample } },
          problems: ['redrive_not_found'],
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
          operationId: 'stopRedrive',
          summary: 'Stop a redrive',
          description: 'Media items that it made pending stay pending, and no others follow.',
          params: redriveParams,
          response: { 200: redriveSchema },
          examples: {
            params: { id: redriveExample.id },
            response: { 200: { ...redriveExample, state: 'stopped', endedAt: '2026-11-20T10:00:01.000Z' } },
          },
          problems: ['redrive_not_found'],
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
