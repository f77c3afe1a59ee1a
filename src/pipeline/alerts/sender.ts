/** Sends alerts to ALERT_URL: bounded in time and tries, beside all work, and without its address in any word. */
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
  /** Of the alerts given, how many from the first on were taken. */
  readonly sentCount: number;
  readonly to: RobotName;
  /** What went wrong, in the words of the robot where it had some. */
  readonly why?: string;
}

export interface AlertSender {
  /** Never rejects, but with the reason of `signal`. */
  send(alerts: readonly Alert[], signal: AbortSignal): Promise<AlertDelivery>;
}

const TRIES = 3;
const PAUSE_MS = 1_000;
/** Robots take 20 messages a minute of all who know their address; one every 4 s leaves room for others. */
const GAP_MS = 4_000;

/** `url`: ALERT_URL. `secrets`: the parts of it that nobody is to read, also where a robot repeats them. */
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
  const withoutSecrets = createRedactor(secrets);
  let nextAtMs = Number.NEGATIVE_INFINITY;
  let queue: Promise<unknown> = Promise.resolve();

  async function once(request: { url: string; body: object }, signal: AbortSignal): Promise<SendResult> {
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
      const verdict = await once(request, signal);
      if (verdict.ok || !verdict.canRetry || attempt === TRIES) return verdict;
      await deps.clock.sleep(PAUSE_MS * 2 ** attempt + randomInt(500), signal);
    }
  }

  async function sendNow(alerts: readonly Alert[], signal: AbortSignal): Promise<AlertDelivery> {
    if (robot.name !== 'json') {
      await deps.clock.sleep(Math.max(0, nextAtMs - performance.now()), signal);
      nextAtMs = performance.now() + GAP_MS;
    }
    let taken = 0;
    for (const request of robot.requests(alerts, deps.clock.now())) {
      const verdict = await post(request, signal);
      deps.metrics.alerts.inc({ outcome: verdict.ok ? 'sent' : 'failed' });
      if (!verdict.ok) {
        const why = withoutSecrets(verdict.why);
        deps.log.warn({ to: robot.name, why }, 'an alert could not be sent');
        return { sent: false, sentCount: taken, to: robot.name, why };
      }
      taken++;
    }
    return { sent: true, sentCount: alerts.length, to: robot.name };
  }

  return {
    send: (alerts, signal) => {
      // One after the other: the gap between two messages is that of the process.
      const sending = queue.then(() => sendNow(alerts, signal));
      queue = sending.catch(() => undefined);
      return sending;
    },
  };
}
