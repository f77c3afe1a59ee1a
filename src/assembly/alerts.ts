/** Alerts of a program: where it tells its own troubles, and the loop that tells somebody. */
import { hostname } from 'node:os';
import type { Accounts } from '../account.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Clock, Lifetimes } from '../clock.ts';
import { type Config, secretsOfAlertUrl } from '../config.ts';
import { freeBytes } from '../disk-space.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Conditions } from '../pipeline/alerts/local.ts';
import { createLook } from '../pipeline/alerts/look.ts';
import { testAlert } from '../pipeline/alerts/message.ts';
import { createAlertSender, type Delivery } from '../pipeline/alerts/send.ts';
import { createAlertWatch } from '../pipeline/alerts/watch.ts';
import type { ArchiveQueue } from '../queue/queue.ts';
import type { Shutdown } from '../shutdown.ts';
import { createJsonHttp } from '../wechat/json-http.ts';

export interface Alerts extends Conditions {
  /** Undefined without ALERT_URL. */
  test(signal: AbortSignal): Promise<Delivery | undefined>;
  /** Until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** Without ALERT_URL nothing is looked for and nobody told. */
export function createAlerts(
  deps: {
    config: Pick<Config, 'alerts' | 'dataFolder' | 'http' | 'shape'>;
    catalogue: Catalogue;
    queue: ArchiveQueue;
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
  const { url } = config.alerts;
  const { publicUrl } = config.http;
  if (!url) return { report: () => {}, clear: () => {}, test: async () => undefined, run: async () => {} };
  const http = createJsonHttp();
  deps.shutdown.step('alerts', () => http.close());
  const sender = createAlertSender({ ...deps, http }, { url, secrets: secretsOfAlertUrl(url) });
  const nameOf = (account: string): string => {
    const name = accounts.find(account)?.name;
    return name ? `${name} (${account})` : account;
  };
  async function lookAtDisk(): Promise<void> {
    const floorBytes = floorOf(config, program);
    if (floorBytes === undefined) return;
    if ((await freeBytes(config.dataFolder)) < floorBytes) watch.report('disk_floor');
    else watch.clear('disk_floor');
  }
  const watch = createAlertWatch(
    { ...deps, look: createLook(deps), lookHere: lookAtDisk, sender, naming: { nameOf, publicUrl } },
    { process: `${hostname()} (${program}, ${process.pid})`, tellsOfCatalogue: program !== 'worker' },
  );
  return {
    report: watch.report,
    clear: watch.clear,
    run: watch.run,
    test: (signal) => sender.send([testAlert(clock.now(), publicUrl)], signal),
  };
}

const MIB = 1024 * 1024;

/** Where the embedded parts stop writing, and where the spool does; undefined: nothing is written in DATA_DIR. */
function floorOf({ shape }: Pick<Config, 'shape'>, program: string): number | undefined {
  if (shape.database === 'embedded' || shape.store === 'embedded') return 256 * MIB;
  return ['all', 'server'].includes(program) ? 64 * MIB : undefined;
}

/** Every program: any of them may be the one that is left. */
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
    log.warn('ALERT_URL is not set: nobody is told when an account is held or media are about to expire');
  const running = alerts.run(shutdown.signal);
  shutdown.step('alerts', () => running);
}
