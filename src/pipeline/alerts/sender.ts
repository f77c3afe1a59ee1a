/** Sends alerts to ALERT_URL: with a bounded number of attempts, and without its secrets in any log line or error. */
import { randomInt } from 'node:crypto';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createRedactor } from '../../runtime/redaction.ts';
import type { JsonClient } from '../../wechat/http/json-client.ts';
import type { Alert } from './message.ts';
import { type RobotName, robotOf, type SendResult } from './robots.ts';

export interface AlertDelivery {
  readonly sent: boolean;
  /** How many of the alerts, from the first on, were accepted. */
  readonly sentCount: number;
  readonly to: RobotName;
  /** The reason of a failure, in the robot's own text where it gave one. */
  readonly why?: string;
}

export interface AlertSender {
  /** Rejects with the reason of `signal` only. */
  send(alerts: readonly Alert[], signal: AbortSignal): Promise<AlertDelivery>;
}

const ATTEMPTS = 3;
const BACKOFF_MS = 1_000;
/** Robots accept 20 messages a minute from all senders; one every 4 s leaves capacity for others. */
const GAP_MS = 4_000;

/** `url`: ALERT_URL. `secrets`: parts of it that must not be shown, also where a robot repeats them. */
export function createAlertSender(
  deps: {
    http: Pick<JsonClient, 'send'>;
    clock: Pick<Clock, 'now' | 'sleep'>;
    log: Pick<Log, 'warn'>;
    metrics: Pick<Metrics, 'alerts'>;
  },
  { url, secrets }: { url: string; secrets: readonly string[] },
): AlertSender {
  const robot = robotOf(url);
  const redactSecrets = createRedactor(secrets);
  let nextAtMs = Number.NEGATIVE_INFINITY;
  let queue: Promise<unknown> = Promise.resolve();

  async function postOnce(request: { url: string; body: object }, signal: AbortSignal): Promise<SendResult> {
    try {
      const { status, text } = await deps.http.send({ ...request, where: 'ALERT_URL' }, signal);
      return robot.parseResponse(status, text);
    } catch (error) {
      signal.throwIfAborted();
      return { ok: false, why: error instanceof Error ? error.message : 'unknown', canRetry: true };
    }
  }

  async function post(request: { url: string; body: object }, signal: AbortSignal): Promise<SendResult> {
    for (let attempt = 1; ; attempt++) {
      const result = await postOnce(request, signal);
      if (result.ok || !result.canRetry || attempt === ATTEMPTS) return result;
      await deps.clock.sleep(BACKOFF_MS * 2 ** attempt + randomInt(500), signal);
    }
  }

  async function sendNow(alerts: readonly Alert[], signal: AbortSignal): Promise<AlertDelivery> {
    if (robot.name !== 'json') {
      await deps.clock.sleep(Math.max(0, nextAtMs - performance.now()), signal);
      nextAtMs = performance.now() + GAP_MS;
    }
    let sentCount = 0;
    for (const request of robot.requests(alerts, deps.clock.now())) {
      const result = await post(request, signal);
      deps.metrics.alerts.inc({ outcome: result.ok ? 'sent' : 'failed' });
      if (!result.ok) {
        const why = redactSecrets(result.why);
        deps.log.warn({ to: robot.name, why }, 'alerts: message not sent');
        return { sent: false, sentCount, to: robot.name, why };
      }
      sentCount++;
    }
    return { sent: true, sentCount: alerts.length, to: robot.name };
  }

  return {
    send: (alerts, signal) => {
      // One after the other, because the gap between messages is per process.
      const sending = queue.then(() => sendNow(alerts, signal));
      queue = sending.catch(() => undefined);
      return sending;
    },
  };
}
