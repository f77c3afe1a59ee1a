/** POST /v1/media/{id}/links: a link to the file that lasts as long as the client asks for. */
import { z } from 'zod';
import { formatDuration, parseDuration } from '../../../config/values/units.ts';
import { saying } from '../../../field-errors.ts';
import { mediaJson } from '../../../pipeline/views/media.ts';
import { MAX_TTL_SECONDS } from '../../../storage/links.ts';
import { includesScope, type Principal } from '../../auth/access.ts';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { responseTime } from '../field-schemas.ts';
import { requireArchived } from './archived.ts';
import { findMedia, mediaIdParams } from './find-media.ts';

const MIN_TTL_MS = 60_000;
const MAX_TTL_MS = MAX_TTL_SECONDS * 1000;

const linkBody = z.strictObject({
  ttl: z
    .string()
    .max(20)
    .refine(
      (text) => parseDuration(text) !== undefined,
      saying({
        en: 'must be a duration, for example 15m, 1h, 1d, 7d',
        zh: '必须是时长，例如 15m、1h、1d、7d',
      }),
    )
    .refine(
      (text) => {
        const ms = parseDuration(text);
        return ms === undefined || (ms >= MIN_TTL_MS && ms <= MAX_TTL_MS);
      },
      saying({
        en: 'must be from 1m to 7d: no storage accepts a signature for longer',
        zh: '必须在 1m 到 7d 之间：没有存储接受更长的签名',
      }),
    )
    .describe('how long the link is valid: 15m, 1h, 1d, at most 7d'),
});

export const linkSchema: z.ZodType = z.object({ url: z.url(), expiresAt: responseTime }).meta({ id: 'Link' });

const linkExample = {
  url: 'https://wechat-media.s3.ap-east-1.amazonaws.com/wx0123456789abcdef/2026/11/20/m_0f3a.jpg?X-Amz-Signature=9f86d0',
  expiresAt: '2026-11-20T10:00:00.000Z',
};

export function linkRoutes(deps: Pick<RouteDeps, 'catalogue' | 'clock' | 'config' | 'store'>) {
  const { catalogue, clock, config, store } = deps;

  function requireScopeFor(ttlMs: number, principal: Principal): void {
    const { linkTtlMs } = config.objects;
    if (ttlMs <= linkTtlMs || includesScope(principal.scopes, 'write')) return;
    const limit = formatDuration(linkTtlMs);
    throw new Problem('forbidden', {
      detail: `a link for longer than ${limit} (LINK_TTL) requires the scope write`,
    });
  }

  return async (app: App): Promise<void> => {
    app.post(
      '/v1/media/:id/links',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['media'],
          operationId: 'createMediaLink',
          summary: 'Create a link to the file that opens without a key',
          description: 'It is valid up to LINK_TTL with the scope read, and up to 7d with write.',
          params: mediaIdParams,
          body: linkBody,
          response: { 201: linkSchema },
          examples: { body: { ttl: '1h' }, response: { 201: linkExample } },
          problems: ['media_not_found', 'not_archived', 'media_gone'],
        },
      },
      async (request, reply) => {
        const { principal } = request;
        const ttlMs = parseDuration(request.body.ttl) as number;
        const row = await findMedia(catalogue, request.params.id, principal);
        requireScopeFor(ttlMs, principal);
        const { objectKey } = requireArchived(row, mediaJson(row, languageOf(request)));
        const now = clock.now();
        const link = await store.link(objectKey, { now, ttlMs, isExact: true });
        // Before the link leaves this server: an entry that cannot be written must not leave a link without one.
        const entry = {
          at: now,
          actor: principal.name,
          action: 'link',
          target: row.id,
          accounts: [row.account],
        } as const;
        await catalogue.auditLog.write({ ...entry, reason: formatDuration(ttlMs) });
        return reply.code(201).send(link);
      },
    );
  };
}
