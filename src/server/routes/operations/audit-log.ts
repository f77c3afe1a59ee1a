/** /v1/events: who did what to what, and why. */
import { z } from 'zod';
import { text } from '../../../media.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { EVENTS } from '../schemas.ts';

const QUERY = z.strictObject({
  target: text(128).optional().describe('an id of a media or of a redrive; an account by its id or its name'),
  before: z.coerce
    .number()
    .int()
    .min(1)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('seq of the last one seen'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export function auditLogRoutes({ accounts, catalogue }: Pick<RouteDeps, 'accounts' | 'catalogue'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/events',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['events'],
          summary: 'The log of deeds, newest first: redrives, erasures, holds, releases',
          querystring: QUERY,
          response: { 200: EVENTS },
        },
      },
      async (request) => {
        const { target: word, before, limit } = request.query;
        const target = word === undefined ? undefined : (accounts.find(word)?.account ?? word);
        const of = { target, before, accounts: request.principal.accounts };
        const found = await catalogue.events.list(of, limit + 1);
        const items = found.slice(0, limit);
        return { items, nextBefore: found.length > limit ? (items.at(-1)?.seq ?? null) : null };
      },
    );
  };
}
