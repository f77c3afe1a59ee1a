/**
 * `npm run simulator`: the simulated WeChat as a program, with an account of every product. docs/simulator.md lists its
 * routes.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createLifetimes, systemClock } from '../runtime/clock.ts';
import { createLog } from '../runtime/log.ts';
import { allowSlowConnects } from '../runtime/network/slow-connects.ts';
import { closeOnSignals, createShutdown } from '../runtime/shutdown.ts';
import { accountsFileOf, SIMULATED_COMPONENT, simulatedAccount, simulatedAccounts } from './account.ts';
import { sendSampleTraffic } from './callbacks/sample-traffic.ts';
import { openSimulator } from './server.ts';

const LIFETIME_MS = 72 * 3_600_000;
const CONCURRENCY = 4;
const EXIT_USAGE = 64;

const USAGE = `Usage: npm run simulator -- [--port 9700] [--accounts-file accounts.json] [--send-to http://127.0.0.1:8080]
                         [--time-scale 1] [--log-level warn]
`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9700' },
      'accounts-file': { type: 'string' },
      'send-to': { type: 'string' },
      'time-scale': { type: 'string', default: '1' },
      'log-level': { type: 'string', default: 'warn' },
    },
  });
  const port = Number(values.port);
  const timeScale = Number(values['time-scale']);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error('--port must be 0 to 65535');
  if (!(timeScale > 0))
    throw new Error('--time-scale must be more than 0; use the TIME_SCALE of the service');
  const sendTo = values['send-to'];
  if (sendTo !== undefined && !URL.canParse(sendTo))
    throw new Error('--send-to must be the URL of the service');
  return { port, timeScale, sendTo, accountsFile: values['accounts-file'], logLevel: values['log-level'] };
}

async function start(): Promise<void> {
  const options = readOptions();
  const log = createLog({ level: options.logLevel, program: 'simulator', secrets: [] });
  const lifetimes = createLifetimes({ mediaLifetimeMs: LIFETIME_MS, timeScale: options.timeScale });
  const accounts = simulatedAccounts(CONCURRENCY);
  const simulator = await openSimulator({
    port: options.port,
    clock: systemClock,
    lifetimes,
    accounts,
    components: [SIMULATED_COMPONENT],
    log,
  });
  const shutdown = createShutdown(log);
  closeOnSignals(shutdown);
  shutdown.step('simulator', () => simulator.close());
  const accountsFile = accountsFileOf(accounts);
  if (options.accountsFile !== undefined) writeFileSync(options.accountsFile, accountsFile);
  const { appId, secret, token, encodingAesKey } = simulatedAccount(CONCURRENCY);
  process.stdout.write(`The simulated WeChat listens on ${simulator.url}. Settings for the service:

WECHAT_API_BASE_URL=${simulator.url}
WECOM_API_BASE_URL=${simulator.url}
WECHAT_VIDEO_BASE_URL=${simulator.url}
FETCH_ALLOW_HOSTS=${simulator.host}
${
  options.accountsFile === undefined
    ? `WECHAT_APP_ID=${appId}
WECHAT_APP_SECRET=${secret}
WECHAT_TOKEN=${token}
WECHAT_ENCODING_AES_KEY=${encodingAesKey}

or an account of every product, as ACCOUNTS_FILE (--accounts-file writes it):

${accountsFile}`
    : `ACCOUNTS_FILE=${options.accountsFile}\n`
}
A third-party platform that ${appId} authorised:
${JSON.stringify(SIMULATED_COMPONENT)}

A host that is not WeChat's, for tests of the SSRF guard: ${simulator.foreignHost}
Its own routes: GET ${simulator.url}/__simulator/names and docs/simulator.md
`);
  if (options.sendTo === undefined) return;
  const account = simulatedAccount(CONCURRENCY);
  const callbackUrl = new URL(`/wechat/${account.account}`, options.sendTo).href;
  const sending = sendSampleTraffic(
    { simulator, account, callbackUrl, clock: systemClock, log },
    shutdown.signal,
  );
  shutdown.step('sample traffic', () => sending);
}

allowSlowConnects();
try {
  await start();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
}
