/**
 * `npm start`: runs everything in one process, with the configured services; without configuration, with embedded ones.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startAlerts } from './app/alerts.ts';
import { openAppContext } from './app/app-context.ts';
import { runProgram } from './app/run.ts';
import { reportAtStart } from './app/start-report.ts';
import { startWebhooks } from './app/webhooks/sending.ts';
import { startConsumer, startDispatcher, startSweeper } from './app/worker.ts';
import { loadConfig } from './config/config.ts';
import type { TokenProblem } from './pipeline/dispatch/check-account-tokens.ts';
import { loadKeys } from './server/auth/api-key-file.ts';
import { callbackUrlOf } from './server/callbacks/callback-url.ts';
import { announceStart, mayShowLoginLink, startMessage } from './server/start/message.ts';
import { startTable } from './server/start/table.ts';
import { type Listeners, openListeners, openServer } from './server/start.ts';
import { simulatedAccount } from './simulator/account.ts';
import { sendSampleTraffic } from './simulator/callbacks/sample-traffic.ts';
import { openSimulator } from './simulator/server.ts';

/**
 * Only one process uses DATA_DIR, so jobs that were running when it died may be restarted soon after the next start.
 */
const SINGLE_PROCESS = { lockDurationMs: 10_000, stalledIntervalMs: 5_000 };
/** The width of the table where that of the output is unknown. */
const COLUMNS = 100;

await runProgram('wechat-media-archiver', async (onOpened) => {
  const config = loadConfig();
  const simulated =
    config.shape.wechat === 'simulated' ? simulatedAccount(config.work.accountConcurrency) : undefined;
  const { keys, file } = await loadKeys(config);
  const showLoginLink = mayShowLoginLink(config, process.stdout);
  const print = (text: string) => void process.stdout.write(text);
  const isFirstStart =
    config.shape.database === 'embedded' && !existsSync(join(config.dataFolder, 'database'));
  let listeners: Listeners | undefined;
  let endAnnouncement = () => {};
  const context = await openAppContext(config, {
    program: 'all',
    whenUnavailable: 'later',
    secrets: keys.map((key) => key.secret),
    ...(simulated ? { simulatedAccounts: [simulated] } : {}),
    // The port is open before the database is: the login link can be opened at once.
    beforeOpening: async (shutdown) => {
      listeners = await openListeners(config, shutdown);
      const url = showLoginLink ? listeners.main.url : undefined;
      endAnnouncement = announceStart(config, { isFirstStart, url, keys, print });
    },
  }).finally(() => endAnnouncement());
  onOpened(context.shutdown);
  const { clock, lifetimes, log, shutdown } = context;

  const simulator = simulated && (await openSimulator({ clock, lifetimes, accounts: [simulated], log }));
  if (simulator) shutdown.step('simulator', () => simulator.close());
  const wechat = simulator
    ? {
        apiBaseUrl: simulator.url,
        wecomBaseUrl: simulator.url,
        videoBaseUrl: simulator.url,
        proxyUrl: undefined,
        allowHosts: [{ host: new URL(simulator.url).hostname, port: Number(new URL(simulator.url).port) }],
      }
    : { ...config.wechat, allowHosts: config.fetch.allowHosts };
  // Opened before the consumer and so closed after it: during a restart callbacks are still accepted while running jobs
  // end.
  const server = await openServer(context, { keys, wechat, ...(listeners ? { listeners } : {}) });
  const dispatcher = startDispatcher(context);
  const opening = startConsumer(
    context,
    wechat,
    dispatcher,
    config.shape.database === 'embedded' ? SINGLE_PROCESS : {},
  );
  const tokens = new Map<string, TokenProblem | undefined>();
  const checkedTokens = opening.then(({ checkTokens }) =>
    checkTokens(({ account, problem }) => tokens.set(account, problem)),
  );
  const shown = reportAtStart(context, {
    consumer: opening,
    showAfter: checkedTokens,
    isLogShown: process.stdout.isTTY && process.stderr.isTTY,
    show: (run) => {
      const { isTTY, columns } = process.stdout;
      // Some terminals report a width of 0.
      const style = { hasColors: isTTY && process.stdout.hasColors(), columns: columns || COLUMNS };
      const table = startTable(context, { run, tokens }, style);
      print(startMessage(context, server, { showLoginLink, keyFile: file, table }));
    },
  });
  await opening;
  startSweeper(context, dispatcher);
  startWebhooks(context);
  startAlerts(context);
  await shown;

  if (simulator && simulated) {
    const callbackUrl = callbackUrlOf(server.url, simulated.account);
    const sending = sendSampleTraffic(
      { simulator, account: simulated, callbackUrl, clock, log },
      shutdown.signal,
    );
    shutdown.step('simulated senders', () => sending);
  }
});
