/** POST /v1/alerts/test: sends a test message, so that operators can check whether alerts arrive. */
import { z } from 'zod';
import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';

/** The timeout for all attempts, also with a robot that is slow to respond. */
const SEND_TIMEOUT_MS = 40_000;

export const alertSentSchema: z.ZodType = z.object({
  to: z
    .enum(['wecom', 'dingtalk', 'feishu', 'lark', 'json'])
    .describe('the kind of receiver that ALERT_URL is'),
  sent: z.literal(true),
});

export function alertRoutes({ alerts, shutdown }: Pick<RouteDeps, 'alerts' | 'shutdown'>) {
  return async (app: App): Promise<void> => {
    app.post(
      '/v1/alerts/test',
      {
        config: { scope: 'admin' },
        schema: {
          tags: ['health'],
          summary:
            'Send a test message to ALERT_URL; the response shows whether it was accepted, and if not, why',
          response: { 200: alertSentSchema },
        },
      },
      async () => {
        const signal = AbortSignal.any([shutdown.signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]);
        const delivery = await alerts.test(signal);
        if (!delivery) throw new Problem('alerts_off');
        const { sent, to, why } = delivery;
        if (!sent) throw new Problem('alert_not_sent', { detail: `${to}: ${why}` });
        return { sent, to };
      },
    );
  };
}
