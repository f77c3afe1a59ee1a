/** POST /v1/acknowledgements: an operator has seen what was lost; the checks then count only what closes later. */
import { z } from 'zod';
import {
  ACKNOWLEDGED_STATUSES,
  AcknowledgementBlockedError,
} from '../../../catalogue/alerts/acknowledgements.ts';
import { text } from '../../../media.ts';
import { resolveAccount } from '../../auth/access.ts';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { count, reason, responseTime } from '../field-schemas.ts';

const acknowledgementBody = z.strictObject({
  status: z
    .enum(ACKNOWLEDGED_STATUSES)
    .describe('expired: media items that were lost; dead: media items that failed for good'),
  account: text(128).optional().describe('absent: all accounts that the key may see'),
  reason: reason(300).optional(),
});

export const acknowledgementSchema: z.ZodType = z.object({
  items: z
    .array(
      z.object({
        account: z.string(),
        count: count.describe('media items that were not acknowledged before; counted up to 10,000'),
        until: responseTime.describe('media items that closed up to this time are acknowledged'),
      }),
    )
    .describe('the accounts that had media items to acknowledge'),
});

const acknowledgementExample = {
  items: [{ account: 'wx0123456789abcdef', count: 3, until: '2026-11-20T10:00:00.000Z' }],
};

export function acknowledgementRoutes(deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'log'>) {
  return async (app: App): Promise<void> => {
    app.post(
      '/v1/acknowledgements',
      {
        // Not write, which producers have: it ends a warning for everyone, as a release of a hold does.
        config: { scope: 'admin', accountScoped: true },
        schema: {
          tags: ['dead letters'],
          operationId: 'acknowledge',
          summary: 'Acknowledge all expired or dead media items up to now',
          description: 'The checks lost and dead_letters count only those that close later.',
          body: acknowledgementBody,
          response: { 200: acknowledgementSchema },
          examples: {
            body: { status: 'expired', reason: 'case 1042' },
            response: { 200: acknowledgementExample },
          },
        },
      },
      async (request) => {
        const { principal } = request;
        const { status, account: name, reason } = request.body;
        const accounts =
          name === undefined ? principal.accounts : [resolveAccount(principal, deps.accounts, name)];
        try {
          const items = await deps.catalogue.acknowledgements.acknowledge(
            { status, accounts, actor: principal.name, reason },
            deps.clock.now(),
          );
          for (const { account, count } of items)
            deps.log.info({ account, status, count, by: principal.name }, 'media items: acknowledged');
          return { items };
        } catch (error) {
          if (!(error instanceof AcknowledgementBlockedError)) throw error;
          throw new Problem('overloaded', { retryAfterSeconds: 5 });
        }
      },
    );
  };
}
