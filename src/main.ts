/** `npm start`: everything in one process, on whatever is configured; with nothing configured, all of it embedded. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startAlerts } from './app/alerts.ts';
import { openAppContext } from './app/app-context.ts';
import { runProgram } from './app/run.ts';
import { reportAtStart } from './app/start-report.ts';
import { startConsumer, startFeeder, startSweeper } from './app/worker.ts';
import { loadConfig } from './config/config.ts';
import { loadKeys } from './server/auth/api-key-file.ts';
import { callbackUrlOf } from './server/callbacks/callback-url.ts';
import { mayShowLoginLink, openServer, startMessage } from './server/start.ts';
import { simulatedAccount } from './simulator/account.ts';
import { keepSending } from './simulator/callbacks/sample-traffic.ts';
import { openSimulator } from './simulator/server.ts';

/** The folder has one process: what was in hand when it died is taken up soon after the next start. */
const ALONE = { lockDurationMs: 10_000, stalledIntervalMs: 5_000 };

await runProgram('wechat-media-archiver', async (attend) => {
  const config = loadConfig();
  const simulated =
    config.shape.wechat === 'simulated' ? simulatedAccount(config.work.accountConcurrency) : undefined;
  const { keys, file } = await loadKeys(config);
  if (config.shape.database === 'embedded' && !existsSync(join(config.dataFolder, 'database'))) {
    process.stdout.write('\n  First start: making the embedded database …\n');
  }
  const parts = await openAppContext(config, {
    program: 'all',
    whenAway: 'later',
    secrets: keys.map((key) => key.secret),
    ...(simulated ? { simulatedAccounts: [simulated] } : {}),
  });
  attend(parts.shutdown);
  const { clock, lifetimes, log, shutdown } = parts;

  const simulator = simulated && (await openSimulator({ clock, lifetimes, accounts: [simulated], log }));
  if (simulator) shutdown.step('simulator', () => simulator.close());
  // Opened before what works on media, and so closed after it: a restart refuses no callback while media in hand end.
  const server = await openServer(parts, { keys });
  const showLoginLink = mayShowLoginLink(config, process.stdout);
  process.stdout.write(startMessage(parts, server, { showLoginLink, keyFile: file }));
  const feeder = startFeeder(parts);
  const opening = startConsumer(
    parts,
    simulator
      ? {
          apiBaseUrl: simulator.url,
          wecomBaseUrl: simulator.url,
          videoBaseUrl: simulator.url,
          proxyUrl: undefined,
          allowHosts: [{ host: new URL(simulator.url).hostname, port: Number(new URL(simulator.url).port) }],
        }
      : { ...config.wechat, allowHosts: config.fetch.allowHosts },
    feeder,
    config.shape.database === 'embedded' ? ALONE : {},
  );
  reportAtStart(parts, opening);
  const { tryAccounts } = await opening;
  tryAccounts();
  startSweeper(parts, feeder);
  startAlerts(parts);

  if (simulator && simulated) {
    process.stdout.write(
      '  WeChat is SIMULATED: no account is configured, so a pretend one sends pictures, voices and videos.\n\n',
    );
    const callbackUrl = callbackUrlOf(server.url, simulated.account);
    const sending = keepSending({ simulator, account: simulated, callbackUrl, clock, log }, shutdown.signal);
    shutdown.step('simulated senders', () => sending);
  }
});
