/** Everything that sends webhooks, on a catalogue of its own: fan-out, sender, client and secrets. */
import type { TestContext } from 'node:test';
import { createAccounts } from '../../../src/account.ts';
import { type Catalogue, createCatalogue } from '../../../src/catalogue/catalogue.ts';
import type { Database } from '../../../src/catalogue/database/database.ts';
import type { NewEndpoint } from '../../../src/catalogue/webhooks/endpoints.ts';
import { createEventJson } from '../../../src/pipeline/events/event-json.ts';
import { createEventFeed } from '../../../src/pipeline/events/feed.ts';
import { createEndpointSecrets } from '../../../src/pipeline/webhooks/endpoint-secrets.ts';
import { createFanOutLoop } from '../../../src/pipeline/webhooks/fan-out-loop.ts';
import { createSender, type SenderOptions } from '../../../src/pipeline/webhooks/sender.ts';
import { createWebhookBodies } from '../../../src/pipeline/webhooks/webhook-body.ts';
import { createWebhookClient } from '../../../src/pipeline/webhooks/webhook-client.ts';
import { createLifetimes, systemClock } from '../../../src/runtime/clock.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';
import { NO_TRACER, type Tracer } from '../../../src/runtime/tracing/tracer.ts';
import { createSecret } from '../../../src/signing-secret.ts';
import { SCHEMA } from '../../catalogue/backends.ts';
import { createRecordingLog } from '../recording-log.ts';

export const ACCOUNT = {
  account: 'wx0000000000000001',
  product: 'official',
  appId: 'wx0000000000000001',
  secret: 'app-secret-of-the-shop',
  token: 'callback-token-of-the-shop',
  requireEncryption: false,
  concurrency: 4,
} as const;

export interface SendingOptions extends SenderOptions {
  readonly timeoutMs?: number;
  /** 5 s are 5 ms with 1000. Default 1. */
  readonly timeScale?: number;
  readonly tracer?: Tracer;
}

/** The parts of one process. `run` works until the signal aborts. */
export function createSending(
  database: Database,
  { timeoutMs = 15_000, timeScale = 1, tracer = NO_TRACER, ...options }: SendingOptions = {},
) {
  const lifetimes = createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale });
  const catalogue = createCatalogue(database, SCHEMA, lifetimes);
  const { log, lines } = createRecordingLog();
  const metrics = createMetrics();
  const accounts = createAccounts([ACCOUNT]);
  const secrets = createEndpointSecrets({ accounts, storeSecret: undefined });
  const eventJson = createEventJson({ catalogue, accounts, clock: systemClock });
  const feed = createEventFeed({ catalogue, eventJson, clock: systemClock, metrics, log });
  const client = createWebhookClient({
    allowed: { hosts: [{ host: '127.0.0.1' }], networks: [] },
    timeoutMs,
  });
  const bodiesOf = createWebhookBodies(eventJson, 'en');
  const common = { catalogue, clock: systemClock, lifetimes, log, metrics };
  const sender = createSender({ ...common, client, secrets, bodiesOf, random: Math.random, tracer }, options);
  const fanOut = createFanOutLoop({ ...common, feed, onMade: sender.notify }, { everyMs: 100 });
  return {
    lines,
    metrics,
    secrets,
    run: async (signal: AbortSignal) => {
      await Promise.all([feed.run(signal), fanOut.run(signal), sender.run(signal)]);
      await client.close();
    },
  };
}

/** Starts one process of it; it ends with the test. */
export function startSending(
  t: Pick<TestContext, 'after'>,
  database: Database,
  options: SendingOptions = {},
) {
  const sending = createSending(database, { endMs: 100, ...options });
  const end = new AbortController();
  const running = sending.run(end.signal);
  const stop = async () => {
    end.abort();
    await running;
  };
  t.after(stop);
  return { ...sending, stop };
}

/** Creates an endpoint; resolves with its id and its secret. */
export async function createEndpoint(catalogue: Catalogue, url: string, fields: Partial<NewEndpoint> = {}) {
  const secret = createSecret();
  const { encrypt } = createEndpointSecrets({ accounts: createAccounts([ACCOUNT]), storeSecret: undefined });
  const act = { by: 'test', now: new Date() };
  const endpoint = await catalogue.webhooks.endpoints.create(
    { url, secret: encrypt(secret), ...fields },
    act,
  );
  return { id: endpoint!.id, secret };
}

let serial = 0;
/** Writes events of items that exist; resolves with their ids. */
export async function happen(catalogue: Catalogue, database: Database, count: number): Promise<string[]> {
  const references = Array.from({ length: count }, () => ({
    account: ACCOUNT.account,
    mediaId: `webhook-${process.pid}-${serial++}`,
    kind: 'image' as const,
    sentAt: new Date(),
  }));
  const inserted = await catalogue.media.insert(references, new Date(), false);
  const ids = inserted.map(({ id }) => id);
  await database.query(
    `INSERT INTO ${SCHEMA}.event_outbox (type, at, account, media)
     SELECT 'media.archived', clock_timestamp(), $1, id FROM unnest($2::text[]) AS id`,
    [ACCOUNT.account, ids],
  );
  return ids;
}
