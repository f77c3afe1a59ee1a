/**
 * `npm start`: runs everything in one process, with the configured services; without configuration, with embedded ones.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startAlerts } from './app/alerts.ts';
import { openAppContext } from './app/app-context.ts';
import { runProgram } from './app/run.ts';
import { reportAtStart } from './app/start-report.ts';
import { startConsumer, startDispatcher, startSweeper } from './app/worker.ts';
import { loadConfig } from './config/config.ts';
import { loadKeys } from './server/auth/api-key-file.ts';
import { callbackUrlOf } from './server/callbacks/callback-url.ts';
import { mayShowLoginLink, openServer, startMessage } from './server/start.ts';
import { simulatedAccount } from './simulator/account.ts';
import { sendSampleTraffic } from './simulator/callbacks/sample-traffic.ts';
import { openSimulator } from './simulator/server.ts';

/**
 * Only one process uses DATA_DIR, so jobs that were running when it died may be restarted soon after the next start.
 */
const SINGLE_PROCESS = { lockDurationMs: 10_000, stalledIntervalMs: 5_000 };

await runProgram('wechat-media-archiver', async (onOpened) => {
  const config = loadConfig();
  const simulated =
    config.shape.wechat === 'simulated' ? simulatedAccount(config.work.accountConcurrency) : undefined;
  const { keys, file } = await loadKeys(config);
  if (config.shape.database === 'embedded' && !existsSync(join(config.dataFolder, 'database'))) {
    process.stdout.write('\n  First start: creating the embedded database …\n');
  }
  const context = await openAppContext(config, {
    program: 'all',
    whenUnavailable: 'later',
    secrets: keys.map((key) => key.secret),
    ...(simulated ? { simulatedAccounts: [simulated] } : {}),
  });
  onOpened(context.shutdown);
  const { clock, lifetimes, log, shutdown } = context;

  const simulator = simulated && (await openSimulator({ clock, lifetimes, accounts: [simulated], log }));
  if (simulator) shutdown.step('simulator', () => simulator.close());
  // Opened before the consumer and so closed after it: during a restart callbacks are still accepted while running jobs
  // end.
  const server = await openServer(context, { keys });
  const showLoginLink = mayShowLoginLink(config, process.stdout);
  process.stdout.write(startMessage(context, server, { showLoginLink, keyFile: file }));
  const dispatcher = startDispatcher(context);
  const opening = startConsumer(
    context,
    simulator
      ? {
          apiBaseUrl: simulator.url,
          wecomBaseUrl: simulator.url,
          videoBaseUrl: simulator.url,
          proxyUrl: undefined,
          allowHosts: [{ host: new URL(simulator.url).hostname, port: Number(new URL(simulator.url).port) }],
        }
      : { ...config.wechat, allowHosts: config.fetch.allowHosts },
    dispatcher,
    config.shape.database === 'embedded' ? SINGLE_PROCESS : {},
  );
  reportAtStart(context, opening);
  const { checkTokens } = await opening;
  checkTokens();
  startSweeper(context, dispatcher);
  startAlerts(context);

  if (simulator && simulated) {
    process.stdout.write(
      '  WeChat is SIMULATED: no account is configured, so a simulated one sends pictures, voices and videos.\n\n',
    );
    const callbackUrl = callbackUrlOf(server.url, simulated.account);
    const sending = sendSampleTraffic(
      { simulator, account: simulated, callbackUrl, clock, log },
      shutdown.signal,
    );
    shutdown.step('simulated senders', () => sending);
  }
});
