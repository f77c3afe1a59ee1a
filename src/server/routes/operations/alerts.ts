/** /v1/alerts/test: whether somebody would be told. */

import { Problem } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { ALERT_SENT } from '../schemas.ts';

/** All tries of a robot that is slow to answer. */
const SEND_MS = 40_000;

export function alertRoutes({ alerts, shutdown }: Pick<RouteDeps, 'alerts' | 'shutdown'>) {
  return async (app: App): Promise<void> => {
    app.post(
      '/v1/alerts/test',
      {
        config: { scope: 'admin' },
        schema: {
          tags: ['health'],
          summary:
            'Sends a test message to ALERT_URL and answers whether it was taken, and if not, what was said',
          response: { 200: ALERT_SENT },
        },
      },
      async () => {
        const signal = AbortSignal.any([shutdown.signal, AbortSignal.timeout(SEND_MS)]);
        const delivery = await alerts.test(signal);
        if (!delivery) throw new Problem('alerts_off');
        const { sent, to, why } = delivery;
        if (!sent) throw new Problem('alert_not_sent', { detail: `${to}: ${why}` });
        return { sent, to };
      },
    );
  };
}
