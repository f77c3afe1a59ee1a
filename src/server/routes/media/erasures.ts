/** Erasing: DELETE /v1/media/{id}, and /v1/erasures for many. */
import { z } from 'zod';
import { ID_PATTERN } from '../../../media.ts';
import { createEraser } from '../../../pipeline/maintenance/eraser.ts';
import { resolveAccount } from '../../auth/access.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { mediaJson } from '../../views/media.ts';
import { trimmedText } from '../field-schemas.ts';
import { ERASURE, mediaSchema } from '../schemas.ts';
import { findMedia, mediaIdParams } from './find-media.ts';

const IDS_LIMIT = 1_000;
/** How long an answer waits for the store; what is not done by then the sweeper goes on with. */
const PATIENCE_MS = 5_000;
const tags = ['erasures'];

const reason = trimmedText(300).describe('kept for ever in the log of events: no personal data').optional();
const ERASE = z
  .strictObject({
    account: trimmedText(128),
    openId: trimmedText(128).optional().describe('all media of messages that this user has sent'),
    ids: z.array(z.string().regex(ID_PATTERN, 'is not an id of a media')).min(1).max(IDS_LIMIT).optional(),
    reason,
  })
  .superRefine(({ openId, ids, reason }, context) => {
    if ((openId === undefined) === (ids === undefined))
      context.addIssue({ code: 'custom', path: ['openId'], message: 'give either openId or ids' });
    if (openId !== undefined && reason?.includes(openId))
      context.addIssue({
        code: 'custom',
        path: ['reason'],
        message: 'is kept for ever: leave out the openId',
      });
  });

export function erasureRoutes(
  deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'log' | 'queue' | 'shutdown' | 'store'>,
) {
  const { catalogue } = deps;
  const eraser = createEraser(deps);
  const patience = () => AbortSignal.any([deps.shutdown.signal, AbortSignal.timeout(PATIENCE_MS)]);

  return async (app: App): Promise<void> => {
    app.delete(
      '/v1/media/:id',
      {
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags,
          summary:
            'Erase a media with its thumb and variants: 200 when nothing is left, 202 while it goes on',
          params: mediaIdParams,
          querystring: z.strictObject({ reason }),
          response: { 200: mediaSchema, 202: mediaSchema },
        },
      },
      async (request, reply) => {
        const { id } = await findMedia(catalogue, request.params.id, request.principal);
        const why = { actor: request.principal.name, reason: request.query.reason };
        const { kept } = await eraser.erase([id], why, patience());
        const row = await findMedia(catalogue, id, request.principal);
        deps.log.info({ id, by: why.actor, done: row.erasedAt !== undefined }, 'a media is to be erased');
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
          summary: `Erase all media of a user, or up to ${IDS_LIMIT} by their ids; progress by its id`,
          body: ERASE,
          response: { 200: ERASURE, 202: ERASURE },
        },
      },
      async (request, reply) => {
        const { openId, ids, reason } = request.body;
        const account = resolveAccount(request.principal, deps.accounts, request.body.account);
        // An account nobody configured any more still has rows, and no secret to seal an openId with.
        if (!deps.accounts.find(account) && openId !== undefined)
          throw new Problem('unknown_account', { detail: 'erase media of a former account by their ids' });
        const why = { account, actor: request.principal.name, reason };
        const what = openId === undefined ? { ids: [...new Set(ids)] } : { openId };
        const { id, notFound } = await eraser.openRequest({ ...why, ...what }, patience());
        const erasure = await catalogue.erasures.get(id);
        deps.log.info(
          { erasure: id, account, by: why.actor, total: erasure?.total },
          'an erasure is asked for',
        );
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
          summary: 'How far an erasure is, and what the store does not let go of',
          params: z.object({ id: z.string().regex(/^e_[0-9a-f]{32}$/, 'is not an id of an erasure') }),
          response: { 200: ERASURE },
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
