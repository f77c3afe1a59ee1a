/** GET /v1/audit-log: the actions of people and programs, each with actor, target and reason. */
import { z } from 'zod';
import { text } from '../../../media.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { count, responseTime } from '../field-schemas.ts';

const auditLogQuery = z.strictObject({
  target: text(128)
    .optional()
    .describe('the id of a media item or of a redrive; an account by its id or its name'),
  before: z.coerce
    .number()
    .int()
    .min(1)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('the seq of the last entry seen'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const auditLogSchema: z.ZodType = z.object({
  items: z.array(
    z.object({
      seq: count,
      at: responseTime,
      actor: z.string().describe('the name of a key, or the part of the program'),
      action: z.string().describe('redrive, redrive.stop, erase, hold, release, adopt, link, open, export'),
      target: z.string().describe('the id of a media item, an account or a redrive'),
      reason: z.string().optional(),
    }),
  ),
  nextBefore: count.nullable().describe('null on the last page'),
});

export function auditLogRoutes({ accounts, catalogue }: Pick<RouteDeps, 'accounts' | 'catalogue'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/audit-log',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['audit log'],
          summary: 'The audit log, newest first: redrives, erasures, holds, releases',
          querystring: auditLogQuery,
          response: { 200: auditLogSchema },
        },
      },
      async (request) => {
        const { target: name, before, limit } = request.query;
        const target = name === undefined ? undefined : (accounts.find(name)?.account ?? name);
        const filter = { target, before, accounts: request.principal.accounts };
        const entries = await catalogue.auditLog.list(filter, limit + 1);
        const items = entries.slice(0, limit);
        return { items, nextBefore: entries.length > limit ? (items.at(-1)?.seq ?? null) : null };
      },
    );
  };
}
