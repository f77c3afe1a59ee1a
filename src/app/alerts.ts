/** The alerts of a program: a loop that sends the findings of the list of checks to ALERT_URL. */
import type { Accounts } from '../account.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Config } from '../config/config.ts';
import { secretsOfUrl } from '../config/values/secret-url.ts';
import { createTestAlert } from '../pipeline/alerts/message.ts';
import { type AlertDelivery, type AlertSender, createAlertSender } from '../pipeline/alerts/sender.ts';
import { createAlertWatch } from '../pipeline/alerts/watch.ts';
import type { FactGatherer } from '../pipeline/checks/gather.ts';
import type { Clock, Lifetimes } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Shutdown } from '../runtime/shutdown.ts';
import { TLS_PLACES } from '../tls-failures.ts';
import { createJsonClient } from '../wechat/http/json-client.ts';

export interface Alerts {
  /** Sends a test alert. Resolves with undefined if ALERT_URL is not set. */
  test(signal: AbortSignal): Promise<AlertDelivery | undefined>;
  /** Runs until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** Creates the alerts. Without ALERT_URL they are recorded, and nothing is sent. */
export function createAlerts(
  deps: {
    config: Pick<Config, 'alerts' | 'http'>;
    catalogue: Catalogue;
    gather: FactGatherer;
    accounts: Accounts;
    clock: Clock;
    lifetimes: Lifetimes;
    metrics: Metrics;
    log: Log;
    shutdown: Pick<Shutdown, 'step'>;
  },
  program: string,
): Alerts {
  const { config, accounts, clock } = deps;
  const { publicUrl } = config.http;
  const sender = openSender(deps);
  const nameOf = (account: string): string => {
    const name = accounts.find(account)?.name;
    return name ? `${name} (${account})` : account;
  };
  const watch = createAlertWatch(
    { ...deps, sender, naming: { nameOf, publicUrl } },
    { alertsOnCatalogue: program !== 'worker' },
  );
  return {
    run: watch.run,
    test: async (signal) => sender?.send([createTestAlert(clock.now(), publicUrl)], signal),
  };
}

/** Returns undefined without ALERT_URL. */
function openSender(
  deps: Pick<Parameters<typeof createAlerts>[0], 'config' | 'clock' | 'metrics' | 'log' | 'shutdown'>,
): AlertSender | undefined {
  const { url } = deps.config.alerts;
  if (!url) return undefined;
  const http = createJsonClient({ tlsPlace: TLS_PLACES.alerts });
  deps.shutdown.step('alerts', () => http.close());
  return createAlertSender({ ...deps, http }, { url, secrets: secretsOfUrl(url) });
}

/** Starts the alert loop. Every program runs it, because any of them may be the last one that is alive. */
export function startAlerts({
  config,
  alerts,
  log,
  shutdown,
}: {
  config: Pick<Config, 'alerts' | 'shape'>;
  alerts: Pick<Alerts, 'run'>;
  log: Log;
  shutdown: Shutdown;
}): void {
  if (!config.alerts.url && config.shape.wechat === 'real')
    log.warn(
      'alerts: ALERT_URL is not set, no alert is sent when an account is held or media items are about to expire',
    );
  const running = alerts.run(shutdown.signal);
  shutdown.step('alerts', () => running);
}
