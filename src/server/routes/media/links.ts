/** POST /v1/media/{id}/links: a link to the file that lasts as long as the client asks for. */
import { z } from 'zod';
import { formatDuration, parseDuration } from '../../../config/values/units.ts';
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
    .refine((text) => parseDuration(text) !== undefined, 'must be a duration: 15m, 1h, 1d, 7d')
    .refine((text) => {
      const ms = parseDuration(text);
      return ms === undefined || (ms >= MIN_TTL_MS && ms <= MAX_TTL_MS);
    }, 'must be from 1m to 7d: no storage accepts a signature for longer')
    .describe('how long the link is valid: 15m, 1h, 1d, at most 7d'),
});

export const linkSchema: z.ZodType = z.object({ url: z.url(), expiresAt: responseTime });

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
          summary:
            'A link that opens without a key: valid up to LINK_TTL with the scope read, up to 7d with write; 409 while pending, 410 if there will be no file',
          params: mediaIdParams,
          body: linkBody,
          response: { 201: linkSchema },
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
