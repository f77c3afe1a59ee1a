/** GET /v1/alerts: what began, lasted and ended. POST /v1/alerts/test: whether alerts arrive. */
import { z } from 'zod';
import { languageOf, Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { ACCOUNT_CODES, alertJson } from '../../views/alert.ts';
import { backwardPage, count, responseTime } from '../field-schemas.ts';

const tags = ['health'];

/** The timeout for all attempts, also with a robot that is slow to respond. */
const SEND_TIMEOUT_MS = 40_000;

const alertsQuery = z.strictObject({
  ...backwardPage('the id of the last alert seen'),
});

export const alertsSchema: z.ZodType = z.object({
  items: z.array(
    z.object({
      id: count,
      code: z.string().describe('docs/operations.md lists them'),
      severity: z.enum(['error', 'warning', 'notice']),
      target: z.string().describe('an account or a process; empty: the whole installation'),
      since: responseTime,
      endedAt: responseTime.optional().describe('absent: it lasts'),
      lastSentAt: responseTime.optional().describe('absent: it was not sent to ALERT_URL'),
      count,
      message: z.string().describe('what it was, or is'),
      advice: z.string(),
    }),
  ),
  nextBefore: count.nullable().describe('null on the last page'),
});

const alertExample = {
  id: 17,
  code: 'dead_letters',
  severity: 'warning',
  target: 'wx0123456789abcdef',
  since: '2026-11-20T08:00:02.733Z',
  lastSentAt: '2026-11-20T08:00:10.000Z',
  count: 3,
  message: '3 media items of shop failed for good.',
  advice: 'GET /v1/dead-letters lists them by failure.',
};

export const alertSentSchema: z.ZodType = z.object({
  to: z
    .enum(['wecom', 'dingtalk', 'feishu', 'lark', 'json'])
    .describe('the kind of receiver that ALERT_URL is'),
  sent: z.literal(true),
});

export function alertRoutes({
  accounts,
  alerts,
  catalogue,
  clock,
  shutdown,
}: Pick<RouteDeps, 'accounts' | 'alerts' | 'catalogue' | 'clock' | 'shutdown'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/v1/alerts',
      {
        config: { scope: 'read', accountScoped: true },
        schema: {
          tags,
          operationId: 'listAlerts',
          summary: 'List alerts, newest first',
          description: 'Those that last, and those that ended in the last 30 days.',
          querystring: alertsQuery,
          response: { 200: alertsSchema },
          examples: {
            querystring: { before: 18, limit: 50 },
            response: { 200: { items: [alertExample], nextBefore: null } },
          },
        },
      },
      async (request) => {
        const { before, limit } = request.query;
        const { principal } = request;
        // The others are about the whole installation, or name the host of a process.
        const about = principal.accounts && { kinds: ACCOUNT_CODES, targets: principal.accounts };
        const found = await catalogue.alerts.list({ before, about }, limit + 1);
        const language = languageOf(request);
        const items = found.slice(0, limit).map((alert) => alertJson(alert, language, accounts));
        return { items, nextBefore: found.length > limit ? (items.at(-1)?.id ?? null) : null };
      },
    );

    app.post(
      '/v1/alerts/test',
      {
        config: { scope: 'admin' },
        schema: {
          tags,
          operationId: 'testAlerts',
          summary: 'Send a test message to ALERT_URL',
          description: 'The response shows whether it was accepted, and if not, why.',
          response: { 200: alertSentSchema },
          examples: { response: { 200: { to: 'wecom', sent: true } } },
          problems: ['alerts_off', 'alert_not_sent'],
        },
      },
      async (request) => {
        const signal = AbortSignal.any([shutdown.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]);
        const delivery = await alerts.test(signal);
        if (!delivery) throw new Problem('alerts_off');
        const { sent, to, why } = delivery;
        await catalogue.auditLog.write({
          at: clock.now(),
          actor: request.principal.name,
          action: 'alert.test',
          target: 'alerts',
          accounts: undefined,
          detail: { to, sent },
        });
        if (!sent) throw new Problem('alert_not_sent', { detail: `${to}: ${why}` });
        return { sent, to };
      },
    );
  };
}
