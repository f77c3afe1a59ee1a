/**
 * The upkeep of webhooks: removes deliveries that ended long ago, encrypts secrets anew after a secret of the
 * configuration was changed, and measures what waits.
 */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { EncryptedCopies } from '../../catalogue/webhooks/endpoint-row.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop, type PollLoop, type PollLoopDeps } from '../../runtime/poll-loop.ts';
import type { EndpointSecrets } from './endpoint-secrets.ts';

export interface UpkeepDeps extends PollLoopDeps {
  catalogue: {
    webhooks: {
      endpoints: Pick<Catalogue['webhooks']['endpoints'], 'list' | 'reencrypt'>;
      deliveries: Pick<Catalogue['webhooks']['deliveries'], 'remove' | 'countPending'>;
    };
  };
  secrets: Pick<EndpointSecrets, 'renew'>;
  clock: Pick<Clock, 'now'>;
  lifetimes: Pick<Lifetimes, 'scale'>;
  metrics: PollLoopDeps['metrics'] & Pick<Metrics, 'webhookPending'>;
  /** How long ended deliveries are kept. */
  retentionMs: number;
}

/** Counting stops here, so that it stays cheap. */
const MAX_COUNTED = 100_000;
/** Between two batches, so that removing leaves the database to others. */
const PAUSE_MS = 100;

export function createWebhookUpkeep(
  { catalogue, secrets, clock, lifetimes, metrics, log, retentionMs }: UpkeepDeps,
  { everyMs = 15_000 }: { everyMs?: number } = {},
): PollLoop {
  const { endpoints, deliveries } = catalogue.webhooks;

  async function renewSecrets(): Promise<void> {
    for (const { id, secret, previousSecret } of await endpoints.list()) {
      for (const copies of [secret, previousSecret]) {
        const renewed: EncryptedCopies | undefined = copies && secrets.renew(copies);
        if (copies && renewed) await endpoints.reencrypt(id, copies, renewed);
      }
    }
  }

  return createPollLoop({
    name: 'webhook-upkeep',
    everyMs,
    jitter: 0.2,
    log,
    metrics,
    work: async () => {
      metrics.webhookPending.set(await deliveries.countPending(MAX_COUNTED));
      await renewSecrets();
      const before = new Date(clock.now().getTime() - lifetimes.scale(retentionMs));
      return (await deliveries.remove(before)) ? PAUSE_MS : undefined;
    },
  });
}
