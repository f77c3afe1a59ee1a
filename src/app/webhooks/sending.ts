/** Starts what sends webhooks. */
import { saveConfiguredEndpoint } from '../../pipeline/webhooks/configured-endpoint.ts';
import { createFanOutLoop } from '../../pipeline/webhooks/fan-out-loop.ts';
import { createSender, type SenderOptions } from '../../pipeline/webhooks/sender.ts';
import { createWebhookUpkeep } from '../../pipeline/webhooks/upkeep.ts';
import { createWebhookBodies } from '../../pipeline/webhooks/webhook-body.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import type { AppContext } from '../app-context.ts';
import { createSecrets, openClient } from './parts.ts';

/** Keeps the endpoint of WEBHOOK_URL in step, once the catalogue is available. */
export function keepConfiguredEndpoint(context: AppContext): void {
  const { config, log, metrics, shutdown } = context;
  const done = new AbortController();
  const loop = createPollLoop({
    name: 'webhook-configuration',
    everyMs: 2_000,
    log,
    metrics,
    work: async () => {
      await saveConfiguredEndpoint({ ...context, secrets: createSecrets(context) }, config.webhooks);
      done.abort();
    },
  });
  const running = loop.run(AbortSignal.any([shutdown.signal, done.signal]));
  shutdown.step('webhook configuration', () => running);
}

export interface WebhookTiming extends SenderOptions {
  readonly timeoutMs?: number;
  readonly fanOutEveryMs?: number;
}

/** Starts sending. Workers do it, and the program that is everything in one process. */
export function startWebhooks(context: AppContext, timing: WebhookTiming = {}): void {
  const { config, eventJson, shutdown } = context;
  const secrets = createSecrets(context);
  const sender = createSender(
    {
      ...context,
      client: openClient(context, timing.timeoutMs),
      secrets,
      bodiesOf: createWebhookBodies(eventJson, config.language),
      random: Math.random,
    },
    timing,
  );
  const { fanOutEveryMs } = timing;
  const fanOut = createFanOutLoop(
    { ...context, onMade: sender.notify },
    fanOutEveryMs === undefined ? {} : { everyMs: fanOutEveryMs },
  );
  const upkeep = createWebhookUpkeep({ ...context, secrets, retentionMs: config.eventRetentionMs });
  for (const [name, loop] of [
    ['webhook upkeep', upkeep],
    ['webhooks', sender],
    ['webhook fan-out', fanOut],
  ] as const) {
    const running = loop.run(shutdown.signal);
    shutdown.step(name, () => running);
  }
}
