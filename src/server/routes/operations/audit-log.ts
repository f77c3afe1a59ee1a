/** GET /v1/audit-log: the actions of people and programs, each with actor, target and reason. */
import { z } from 'zod';
import { AUDIT_ACTIONS, type AuditAction } from '../../../catalogue/audit-log/audit-log.ts';
import { text } from '../../../media.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { backwardPage, count, queryTime, responseTime } from '../field-schemas.ts';

const ACTIONS = Object.keys(AUDIT_ACTIONS) as [AuditAction, ...AuditAction[]];

const auditLogQuery = z.strictObject({
  actor: text(128).optional().describe('the name of a key, or the part of the program'),
  action: z.enum(ACTIONS).optional(),
  target: text(128)
    .optional()
    .describe(
      'the id of a media item, a redrive, an erasure or a verification; an account by its id or its name',
    ),
  from: queryTime('past').optional().describe('entries at this time or later'),
  to: queryTime('past').optional().describe('entries before this time'),
  ...backwardPage('the seq of the last entry seen'),
});

export const auditLogSchema: z.ZodType = z.object({
  items: z.array(
    z.object({
      seq: count,
      at: responseTime,
      actor: z.string().describe('the name of a key, or the part of the program'),
      action: z.string().describe(ACTIONS.join(', ')),
      target: z
        .string()
        .describe(
          'the id of a media item, an account, a redrive, an erasure or a verification; else store, alerts, counts or session',
        ),
      accounts: z
        .array(z.string())
        .optional()
        .describe('the accounts that it is about; absent: the whole installation'),
      reason: z.string().optional(),
      detail: z.record(z.string(), z.unknown()).optional().describe('more facts about the action'),
    }),
  ),
  nextBefore: count.nullable().describe('null on the last page'),
});

const entryExample = {
  seq: 912,
  at: '2026-12-01T09:30:00.000Z',
  actor: 'support',
  action: 'erase',
  target: `e_${'4b1d9c07'.repeat(4)}`,
  accounts: ['wx0123456789abcdef'],
  reason: 'case 1042',
};

export function auditLogRoutes({ accounts, catalogue }: Pick<RouteDeps, 'accounts' | 'catalogue'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/audit-log',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags: ['audit log'],
          operationId: 'listAuditLog',
          summary: 'List the audit log, newest first',
          description: 'Who did what to what, when and why.',
          querystring: auditLogQuery,
          response: { 200: auditLogSchema },
          examples: {
            querystring: { action: 'erase', from: '7d', limit: 50 },
            response: { 200: { items: [entryExample], nextBefore: null } },
          },
        },
      },
      async (request) => {
        const { target: name, from, to, limit, ...filter } = request.query;
        const entries = await catalogue.auditLog.list(
          {
            ...filter,
            target: name === undefined ? undefined : (accounts.find(name)?.account ?? name),
            from: from === undefined ? undefined : new Date(from),
            to: to === undefined ? undefined : new Date(to),
            accounts: request.principal.accounts,
          },
          limit + 1,
        );
        const items = entries.slice(0, limit);
        return { items, nextBefore: entries.length > limit ? (items.at(-1)?.seq ?? null) : null };
      },
    );
  };
}
