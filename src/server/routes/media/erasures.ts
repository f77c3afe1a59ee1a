/** Permanent erasure: DELETE /v1/media/{id}, and /v1/erasures for many media items. */
import { z } from 'zod';
import type { MediaFilter } from '../../../catalogue/media/filter.ts';
import type { LocalizedText } from '../../../explanation.ts';
import { formatted } from '../../../field-errors.ts';
import { createEraser } from '../../../pipeline/maintenance/eraser.ts';
import { mediaJson } from '../../../pipeline/views/media.ts';
import { type Principal, resolveAccount } from '../../auth/access.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { count, responseTime } from '../field-schemas.ts';
import { mediaFilterOf } from '../filter-body.ts';
import { type ErasureBody, erasureBody, ID_LIMIT, isOfOnePerson, reason } from './erasure-body.ts';
import { findMedia, mediaIdParams } from './find-media.ts';
import { erasedExample, mediaIdExample, mediaSchema, unfinishedErasureFields } from './media-schema.ts';
import { selectionSchema } from './selection-schema.ts';

/** How long a request waits for the store. After that time the sweeper completes the erasure. */
const ERASE_TIMEOUT_MS = 5_000;
const LIST_LIMIT = 50;
/** The most accounts whose items one request erases. */
const ACCOUNT_LIMIT = 20;
const tags = ['erasures'];

const erasureId = formatted(/^e_[0-9a-f]{32}$/, {
  en: 'is not the id of an erasure',
  zh: '不是擦除的 id',
});

type ErasedSelection = { account: string } & ({ ids: readonly string[] } | { openId: string });

export const erasureSchema: z.ZodType = z
  .object({
    id: z.string(),
    account: z.string(),
    actor: z.string(),
    reason: z.string().optional(),
    state: z
      .enum(['running', 'kept', 'done', 'failed'])
      .describe('kept: the storage refuses to delete the rest; the deletion is retried automatically'),
    total: count.describe('media items marked so far, including thumbs and variants'),
    done: count.describe('media items whose data is completely deleted; equal to total when nothing is left'),
    removed: z
      .array(z.object({ kind: z.string(), count, files: count, bytes: count }))
      .describe('what the marked items were, by kind; files: how many of them had a stored file'),
    problem: z.string().optional(),
    createdAt: responseTime,
    finishedAt: responseTime.optional(),
    unfinished: z
      .array(z.object({ id: z.string(), ...unfinishedErasureFields }))
      .optional()
      .describe('at most 100; not in lists'),
    notFound: z.array(z.string()).optional().describe('ids that are not media items of the account'),
  })
  .meta({ id: 'Erasure' });

const erasureBodyExample = {
  account: 'wx0123456789abcdef',
  openId: 'oLVPpjqs9BhvzwPj5A-vTYAX3GLc',
  reason: 'case 1042',
};
const erasureExample = {
  id: `e_${'4b1d9c07'.repeat(4)}`,
  account: 'wx0123456789abcdef',
  actor: 'support',
  reason: 'case 1042',
  state: 'done',
  total: 2,
  done: 2,
  removed: [{ kind: 'image', count: 2, files: 2, bytes: 368_640 }],
  createdAt: '2026-12-01T09:30:00.000Z',
  finishedAt: '2026-12-01T09:30:01.000Z',
};
const runningExample = {
  ...erasureExample,
  state: 'running',
  done: 1,
  finishedAt: undefined,
  unfinished: [{ id: mediaIdExample, since: '2026-12-01T09:30:00.000Z', why: 'busy' }],
};

export const erasuresSchema: z.ZodType = z.object({ items: z.array(erasureSchema) });
const erasureResponses: Record<200 | 202, z.ZodType> = {
  200: z.union([erasureSchema, erasuresSchema, selectionSchema]),
  202: z.union([erasureSchema, erasuresSchema]),
};

export function erasureRoutes(
  deps: Pick<
    RouteDeps,
    'accounts' | 'catalogue' | 'clock' | 'log' | 'previews' | 'queue' | 'shutdown' | 'store'
  >,
) {
  const { catalogue } = deps;
  const eraser = createEraser(deps);
  const eraseSignal = () => AbortSignal.any([deps.shutdown.signal, AbortSignal.timeout(ERASE_TIMEOUT_MS)]);

  /** The accounts of a request: those that it names, else those of the key; undefined: all. */
  function accountsOf(principal: Principal, { account, filter }: ErasureBody): readonly string[] | undefined {
    const names = account === undefined ? filter?.account : [account];
    return names?.map((name) => resolveAccount(principal, deps.accounts, name)) ?? principal.accounts;
  }

  function filterOf(
    { openId, ids, filter }: ErasureBody,
    accounts: readonly string[] | undefined,
  ): MediaFilter {
    return mediaFilterOf(filter ?? { openId, id: ids }, accounts);
  }

  /** One request for each account. */
  async function requestsOf(
    body: ErasureBody,
    accounts: readonly string[] | undefined,
  ): Promise<ErasedSelection[]> {
    const { openId, ids, filter } = body;
    if (!filter) {
      const account = accounts?.[0] as string;
      if (openId === undefined) return [{ account, ids: [...new Set(ids)] }];
      requireSecretOf(account);
      return [{ account, openId }];
    }
    const selected = filterOf(body, accounts);
    if (isOfOnePerson(filter)) {
      const theirs = await catalogue.selections.accounts(selected, ACCOUNT_LIMIT + 1);
      if (theirs.length > ACCOUNT_LIMIT) throw tooMany(ITEMS_OF_MANY);
      for (const account of theirs) requireSecretOf(account);
      return theirs.map((account) => ({ account, openId: filter.openId as string }));
    }
    const byAccount = await catalogue.selections.ids(selected, ID_LIMIT + 1);
    const found = [...byAccount.values()].reduce((sum, some) => sum + some.length, 0);
    if (found > ID_LIMIT) throw tooMany(MANY_ITEMS);
    if (byAccount.size > ACCOUNT_LIMIT) throw tooMany(ITEMS_OF_MANY);
    return [...byAccount].map(([account, some]) => ({ account, ids: some }));
  }

  /**
   * An account that is no longer configured still has rows, but no secret with which an openId could be encrypted.
   */
  function requireSecretOf(account: string): void {
    if (deps.accounts.find(account)) return;
    throw new Problem('unknown_account', {
      detail: 'erase media items of a former account by their ids',
    });
  }

  return async (app: App): Promise<void> => {
    app.delete(
      '/v1/media/:id',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          operationId: 'eraseMedia',
          summary: 'Erase a media item with its thumb and variants',
          description: 'Returns 200 when the erasure is complete, and 202 while it continues.',
          params: mediaIdParams,
          querystring: z.strictObject({ reason }),
          response: { 200: mediaSchema, 202: mediaSchema },
          examples: {
            querystring: { reason: 'case 1042' },
            response: {
              200: erasedExample,
              202: { ...erasedExample, erasedAt: undefined, erasing: { since: erasedExample.updatedAt } },
            },
          },
          problems: ['media_not_found', 'erasure_kept'],
        },
      },
      async (request, reply) => {
        const { id } = await findMedia(catalogue, request.params.id, request.principal);
        const by = { actor: request.principal.name, reason: request.query.reason };
        const { kept } = await eraser.erase([id], by, eraseSignal());
        deps.previews.removeErased();
        const row = await findMedia(catalogue, id, request.principal);
        deps.log.info(
          { id, by: by.actor, done: row.erasedAt !== undefined },
          'erasure: media item requested',
        );
        if (kept.length > 0)
          throw new Problem('erasure_kept', { more: { mediaStatus: row.status, left: kept } });
        return reply.code(row.erasedAt ? 200 : 202).send(mediaJson(row, languageOf(request)));
      },
    );

    app.post(
      '/v1/erasures',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          operationId: 'createErasures',
          summary: 'Erase media items of a user, by ids or by a filter',
          description: `All media items of a user, or up to ${ID_LIMIT} by their ids or by a filter. A filter returns one erasure for each account. With \`dryRun\` they are only counted.`,
          body: erasureBody,
          response: erasureResponses,
          examples: { body: erasureBodyExample, response: { 200: erasureExample, 202: runningExample } },
          problems: ['unknown_account'],
        },
      },
      async (request, reply) => {
        const { body, principal } = request;
        const accounts = accountsOf(principal, body);
        // Before the dry run too: what would be refused is not previewed.
        const requests = await requestsOf(body, accounts);
        if (body.dryRun)
          return await catalogue.selections.preview(filterOf(body, accounts), { children: true });
        const by = { actor: principal.name, reason: body.reason };
        const signal = eraseSignal();
        const items: Record<string, unknown>[] = [];
        let isRunning = false;
        for (const one of requests) {
          const { id, notFound } = await eraser.openRequest({ ...one, ...by }, signal);
          const erasure = await catalogue.erasures.get(id);
          isRunning ||= erasure?.state === 'running';
          deps.log.info(
            { erasure: id, account: one.account, by: by.actor, total: erasure?.total },
            'erasure: requested',
          );
          items.push({ ...erasure, ...(notFound.length > 0 ? { notFound } : {}) });
        }
        deps.previews.removeErased();
        reply.code(isRunning ? 202 : 200);
        if (body.filter) return reply.send({ items });
        return reply.header('location', `/v1/erasures/${items[0]?.id}`).send(items[0]);
      },
    );

    app.get(
      '/v1/erasures',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'listErasures',
          summary: `List the latest ${LIST_LIMIT} erasures`,
          response: { 200: erasuresSchema },
          examples: { response: { 200: { items: [erasureExample] } } },
        },
      },
      async (request) => ({ items: await catalogue.erasures.list(LIST_LIMIT, request.principal.accounts) }),
    );

    app.get(
      '/v1/erasures/:id',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'getErasure',
          summary: 'Get the progress of an erasure',
          description: 'With the objects that the store refuses to delete.',
          params: z.object({ id: erasureId }),
          response: { 200: erasureSchema },
          examples: { params: { id: erasureExample.id }, response: { 200: runningExample } },
          problems: ['erasure_not_found'],
        },
      },
      async (request) => {
        const erasure = await catalogue.erasures.get(request.params.id);
        const { accounts } = request.principal;
        if (!erasure || (accounts && !accounts.includes(erasure.account)))
          throw new Problem('erasure_not_found');
        return erasure;
      },
    );
  };
}

const ITEMS_OF_MANY = {
  en: `items of more than ${ACCOUNT_LIMIT} accounts`,
  zh: `超过 ${ACCOUNT_LIMIT} 个账号的素材`,
};
const MANY_ITEMS = { en: `more than ${ID_LIMIT} media items`, zh: `超过 ${ID_LIMIT} 个素材` };

const tooMany = ({ en, zh }: LocalizedText) =>
  new Problem('invalid_request', {
    errors: [
      {
        field: 'filter',
        message: { en: `matches ${en}: narrow the filter`, zh: `匹配${zh}：请缩小筛选范围` },
      },
    ],
  });
