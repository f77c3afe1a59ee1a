/** Permanent erasure: DELETE /v1/media/{id}, and /v1/erasures for many media items. */
import { z } from 'zod';
import { createEraser } from '../../../pipeline/maintenance/eraser.ts';
import { resolveAccount } from '../../auth/access.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { mediaJson } from '../../views/media.ts';
import { count, responseTime, trimmedText } from '../field-schemas.ts';
import { findMedia, mediaId, mediaIdParams } from './find-media.ts';
import { mediaSchema, unfinishedErasureFields } from './media-schema.ts';

const ID_LIMIT = 1_000;
/** How long a request waits for the store. After that time the sweeper completes the erasure. */
const ERASE_TIMEOUT_MS = 5_000;
const tags = ['erasures'];

const reason = trimmedText(300)
  .describe('stored permanently in the audit log: do not include personal data')
  .optional();

const erasureBody = z
  .strictObject({
    account: trimmedText(128),
    openId: trimmedText(128)
      .optional()
      .describe('erases all media items of messages that this user has sent'),
    ids: z.array(mediaId).min(1).max(ID_LIMIT).optional(),
    reason,
  })
  .superRefine(({ openId, ids, reason }, context) => {
    if ((openId === undefined) === (ids === undefined))
      context.addIssue({ code: 'custom', path: ['openId'], message: 'specify either openId or ids' });
    if (openId !== undefined && reason?.includes(openId))
      context.addIssue({
        code: 'custom',
        path: ['reason'],
        message: 'is stored permanently: remove the openId',
      });
  });

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
    done: count.describe('media items whose data is completely deleted'),
    problem: z.string().optional(),
    createdAt: responseTime,
    finishedAt: responseTime.optional(),
    unfinished: z.array(z.object({ id: z.string(), ...unfinishedErasureFields })).describe('at most 100'),
    notFound: z.array(z.string()).optional().describe('ids that are not media items of the account'),
  })
  .meta({ id: 'Erasure' });

export function erasureRoutes(
  deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'log' | 'queue' | 'shutdown' | 'store'>,
) {
  const { catalogue } = deps;
  const eraser = createEraser(deps);
  const eraseSignal = () => AbortSignal.any([deps.shutdown.signal, AbortSignal.timeout(ERASE_TIMEOUT_MS)]);

  return async (app: App): Promise<void> => {
    app.delete(
      '/v1/media/:id',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          summary:
            'Erase a media item with its thumb and variants: 200 when the erasure is complete, 202 while it continues',
          params: mediaIdParams,
          querystring: z.strictObject({ reason }),
          response: { 200: mediaSchema, 202: mediaSchema },
        },
      },
      async (request, reply) => {
        const { id } = await findMedia(catalogue, request.params.id, request.principal);
        const by = { actor: request.principal.name, reason: request.query.reason };
        const { kept } = await eraser.erase([id], by, eraseSignal());
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
          summary: `Erase all media items of a user, or up to ${ID_LIMIT} by their ids; GET /v1/erasures/{id} shows the progress`,
          body: erasureBody,
          response: { 200: erasureSchema, 202: erasureSchema },
        },
      },
      async (request, reply) => {
        const { openId, ids, reason } = request.body;
        const account = resolveAccount(request.principal, deps.accounts, request.body.account);
        // An account that is no longer configured still has rows, but no secret with which an openId could be
        // encrypted.
        if (!deps.accounts.find(account) && openId !== undefined)
          throw new Problem('unknown_account', {
            detail: 'erase media items of a former account by their ids',
          });
        const by = { account, actor: request.principal.name, reason };
        const selection = openId === undefined ? { ids: [...new Set(ids)] } : { openId };
        const { id, notFound } = await eraser.openRequest({ ...by, ...selection }, eraseSignal());
        const erasure = await catalogue.erasures.get(id);
        deps.log.info({ erasure: id, account, by: by.actor, total: erasure?.total }, 'erasure: requested');
        return reply
          .code(erasure?.state === 'running' ? 202 : 200)
          .header('location', `/v1/erasures/${id}`)
          .send({ ...erasure, ...(notFound.length > 0 ? { notFound } : {}) });
      },
    );

    app.get(
      '/v1/erasures/:id',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          summary: 'Progress of an erasure, and the objects that the store refuses to delete',
          params: z.object({ id: z.string().regex(/^e_[0-9a-f]{32}$/, 'is not the id of an erasure') }),
          response: { 200: erasureSchema },
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
