/**
 * Sends the deliveries that are due. Every worker runs it. A delivery is sent by one process at a time, under a lease;
 * after a process was killed, another one sends what it had claimed when its leases end.
 */
import { randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { DeliveredEvent, Delivery } from '../../catalogue/webhooks/delivery-row.ts';
import type { WebhookEndpoint } from '../../catalogue/webhooks/endpoint-row.ts';
import { hostOf } from '../../catalogue/webhooks/endpoints.ts';
import { type AttemptResult, MAX_IN_FLIGHT } from '../../catalogue/webhooks/sending.ts';
import type { Clock, Lifetimes } from '../../runtime/clock.ts';
import { type Batcher, createBatcher } from '../../runtime/concurrency/batcher.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import { createRepeatedLog } from '../../runtime/repeated-log.ts';
import { settledWithin } from '../../runtime/timeout.ts';
import { setStatus, traceWebhook } from '../../runtime/tracing/requests.ts';
import type { Tracer } from '../../runtime/tracing/tracer.ts';
import { NO_TRACER } from '../../runtime/tracing/tracer.ts';
import { createWakeSignal } from '../../runtime/wake-signal.ts';
import type { EndpointSecrets } from './endpoint-secrets.ts';
import { decideRetry, FAILING_DISABLE_MS, FAILING_SLOW_MS } from './retry-policy.ts';
import type { WebhookBody } from './webhook-body.ts';
import { RESPONSE_TIMEOUT_MS, type SendResult, type WebhookClient } from './webhook-client.ts';

export interface SenderDeps {
  catalogue: {
    webhooks: Pick<Catalogue['webhooks'], 'due' | 'claim' | 'finish' | 'giveBack' | 'disable'>;
  };
  client: Pick<WebhookClient, 'send'>;
  secrets: Pick<EndpointSecrets, 'decrypt'>;
  /** Returns the body for each event, in their order. Reads the rows anew. */
  bodiesOf: (events: readonly DeliveredEvent[]) => Promise<readonly WebhookBody[]>;
  clock: Pick<Clock, 'now'>;
  lifetimes: Pick<Lifetimes, 'scale'>;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors' | 'loopFailing' | 'webhookDeliveries'>;
  random: () => number;
  tracer?: Tracer;
}

export interface SenderOptions {
  /** Default 500. */
  readonly everyMs?: number;
  /** Requests of this process at once, besides one for each endpoint. Default 64. */
  readonly sharedPlaces?: number;
  /** Default: a little longer than an attempt may take. */
  readonly leaseMs?: number;
  /** How long running requests may go on at the end. Default 5,000. */
  readonly endMs?: number;
}

export interface Sender {
  /** There may be new deliveries. */
  notify(): void;
  /** Sends until the signal aborts; then gives running requests a moment, and their deliveries back. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** What an attempt may take besides the response: reading the row, and writing the outcome. */
const LEASE_MARGIN_MS = 10_000;
/** Of a lease: what claiming and reading the rows may take. The rest is for the response and for writing the outcome. */
const READING_SHARE = 1 / 4;
const SHARED_PLACES = 64;
/** Outcomes in one statement. */
const MAX_OUTCOMES = 200;

/** Returns the secrets that sign now: the present one, and after a rotation for a time the one before. */
export function secretsToSign(
  { secret, previousSecret, previousSecretUntil }: WebhookEndpoint,
  secrets: Pick<EndpointSecrets, 'decrypt'>,
  now: Date,
): string[] {
  const isPreviousValid = previousSecretUntil !== undefined && previousSecretUntil > now;
  return [secret, isPreviousValid ? previousSecret : undefined]
    .map((copies) => copies && secrets.decrypt(copies))
    .filter((one) => one !== undefined);
}

export function createSender(deps: SenderDeps, options: SenderOptions = {}): Sender {
  const {
    everyMs = 500,
    sharedPlaces = SHARED_PLACES,
    leaseMs = RESPONSE_TIMEOUT_MS + LEASE_MARGIN_MS,
    endMs = 5_000,
  } = options;
  const { catalogue, clock, lifetimes, log, metrics, tracer = NO_TRACER } = deps;
  const { webhooks } = catalogue;
  const wakeSignal = createWakeSignal();
  const lease = randomUUID();
  /** The requests of this process that run, by endpoint. */
  const running = new Map<string, number>();
  const sending = new Set<Promise<void>>();
  /** Aborts the requests that run. */
  const ending = new AbortController();
  const outcomes: Batcher<AttemptResult, void> = createBatcher({
    write: async (results) => {
      await webhooks.finish(results);
      return results.map(() => undefined);
    },
    maxSize: MAX_OUTCOMES,
    idOf: ({ delivery }) => String(delivery.id),
    isShared: () => true,
  });
  const repeated = createRepeatedLog(log);
  for (const outcome of ['success', 'retry', 'failed']) metrics.webhookDeliveries.inc({ outcome }, 0);

  const ago = (ms: number) => new Date(clock.now().getTime() - lifetimes.scale(ms));

  /**
   * Divides the free places among the endpoints. Each has one of its own, so no endpoint waits for another; the others
   * are shared evenly.
   */
  function placesFor(endpoints: readonly string[]): { endpoint: string; count: number }[] {
    const inUse = (endpoint: string) => running.get(endpoint) ?? 0;
    const active = new Set([...endpoints, ...running.keys()]).size;
    const share = Math.max(1, Math.min(MAX_IN_FLIGHT, Math.floor(sharedPlaces / Math.max(1, active))));
    let free = sharedPlaces - [...running.values()].reduce((sum, n) => sum + Math.max(0, n - 1), 0);
    return endpoints.flatMap((endpoint) => {
      const own = inUse(endpoint) === 0 ? 1 : 0;
      const more = Math.max(0, Math.min(free, share - inUse(endpoint) - own));
      free -= more;
      return own + more > 0 ? [{ endpoint, count: own + more }] : [];
    });
  }

  /** Runs the request inside a span in the trace of the media item. */
  function traced(
    { url }: WebhookEndpoint,
    { event }: Delivery,
    { traceparent }: WebhookBody,
    send: (traceparent: string | undefined) => Promise<SendResult>,
  ): Promise<SendResult> {
    const item = event.media === undefined ? undefined : { id: event.media, traceparent };
    return traceWebhook(tracer, { url, type: event.type, ...(item ? { item } : {}) }, async (span) => {
      const result = await send(span.traceparent);
      if (result.status !== undefined) setStatus(span, result.status);
      if (result.reason !== undefined) span.fail(result.reason);
      return result;
    });
  }

  async function attempt(
    endpoint: WebhookEndpoint,
    delivery: Delivery,
    body: WebhookBody,
    signal: AbortSignal,
  ): Promise<void> {
    const startedAt = clock.now();
    const secrets = secretsToSign(endpoint, deps.secrets, startedAt);
    const result: SendResult =
      secrets.length === 0
        ? { reason: 'secret_unreadable', durationMs: 0 }
        : await traced(endpoint, delivery, body, (traceparent) => {
            const message = { id: delivery.event.id, sentAt: startedAt, body: body.text, traceparent };
            return deps.client.send(endpoint.url, message, secrets, signal);
          });
    const { reason, status, durationMs, retryAfterMs } = result;
    const endedAt = clock.now();
    const retryAt =
      reason === undefined
        ? undefined
        : decideRetry(
            { attempts: delivery.attempts, endedAt, retryAfterMs },
            { scale: lifetimes.scale, random: deps.random },
          );
    await outcomes.add({ delivery, lease, startedAt, durationMs, status, reason, retryAt });
    const outcome = reason === undefined ? 'success' : retryAt ? 'retry' : 'failed';
    metrics.webhookDeliveries.inc({ outcome });
    if (reason === undefined) return;
    const fields = {
      endpoint: endpoint.id,
      host: hostOf(endpoint.url),
      event: delivery.event.id,
      reason,
      status,
    };
    if (outcome === 'failed') log.warn(fields, 'webhooks: delivery failed for good');
    else
      repeated.write(
        'warn',
        `${endpoint.id} ${reason}`,
        fields,
        'webhooks: delivery failed, it is sent again',
      );
    await disableIfHopeless(endpoint, reason);
  }

  async function disableIfHopeless(endpoint: WebhookEndpoint, reason: string): Promise<void> {
    const why = reason === 'gone' ? 'gone' : { failingBefore: ago(FAILING_DISABLE_MS) };
    // Only endpoints that failed before are asked for, so that a failure costs no second statement.
    if (why !== 'gone' && !(endpoint.failingSince && endpoint.failingSince <= why.failingBefore)) return;
    if (await webhooks.disable(endpoint.id, why, clock.now()))
      log.error(
        { endpoint: endpoint.id, host: hostOf(endpoint.url), reason: why === 'gone' ? 'gone' : 'failing' },
        'webhooks: endpoint disabled',
      );
  }

  /** Never rejects: what could not be written is sent again when the lease ends. */
  async function sendOne(
    endpoint: WebhookEndpoint,
    delivery: Delivery,
    body: WebhookBody,
    signal: AbortSignal,
  ) {
    running.set(endpoint.id, (running.get(endpoint.id) ?? 0) + 1);
    try {
      await attempt(endpoint, delivery, body, signal);
    } catch (error) {
      if (signal.aborted) {
        await webhooks.giveBack(lease, [delivery.id], clock.now()).catch(() => undefined);
      } else {
        metrics.backgroundErrors.inc({ loop: 'webhooks' });
        repeated.write('warn', 'outcome', { err: error }, 'webhooks: outcome not written, it is sent again');
      }
    } finally {
      const left = (running.get(endpoint.id) ?? 1) - 1;
      if (left > 0) running.set(endpoint.id, left);
      else running.delete(endpoint.id);
      wakeSignal.notify();
    }
  }

  async function turn(): Promise<undefined> {
    const places = placesFor(await webhooks.due(clock.now()));
    if (places.length === 0) return undefined;
    const now = clock.now();
    const startedMs = performance.now();
    const claimed = await webhooks.claim(places, {
      lease,
      now,
      until: new Date(now.getTime() + leaseMs),
      failingBefore: ago(FAILING_SLOW_MS),
    });
    const all = claimed.flatMap(({ endpoint, deliveries }) =>
      deliveries.map((delivery) => ({ endpoint, delivery })),
    );
    if (all.length === 0) return undefined;
    const ids = all.map(({ delivery }) => delivery.id);
    const bodies = await deps.bodiesOf(all.map(({ delivery }) => delivery.event)).catch(async (error) => {
      await webhooks.giveBack(lease, ids, clock.now());
      throw error;
    });
    // Their leases could end during the requests, and another process would send them at the same time.
    const readingMs = Math.round(performance.now() - startedMs);
    if (readingMs > leaseMs * READING_SHARE) {
      repeated.write('warn', 'reading', { readingMs }, 'webhooks: rows took too long to read, trying again');
      await webhooks.giveBack(lease, ids, clock.now());
      return undefined;
    }
    all.forEach(({ endpoint, delivery }, index) => {
      const one = sendOne(endpoint, delivery, bodies[index] as WebhookBody, ending.signal);
      sending.add(one);
      void one.finally(() => sending.delete(one));
    });
    // The end of each request wakes the next turn.
    return undefined;
  }

  const loop = createPollLoop({
    name: 'webhooks',
    everyMs,
    jitter: 0.2,
    work: turn,
    log,
    metrics,
    wakeSignal,
  });

  return {
    notify: wakeSignal.notify,
    run: async (signal) => {
      const late = () => ending.abort(new Error('closing'));
      await loop.run(signal);
      await settledWithin(Promise.all(sending), endMs);
      late();
      await Promise.all(sending);
      repeated.close();
    },
  };
}
