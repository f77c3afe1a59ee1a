/**
 * `npm run demo`: runs a scripted day of a simulated account in half a minute against the service in a process of its
 * own. Prints what became of every media item and where; exits with 0 only if everything is as the script says. `--json`
 * makes the last line of stdout a summary; `--configured` uses DATABASE_URL, REDIS_URL and S3_* in place of the embedded
 * parts.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startFailureOf } from '../app/run.ts';
import { createLifetimes, systemClock } from '../runtime/clock.ts';
import { createLog } from '../runtime/log.ts';
import { allowSlowConnects } from '../runtime/network/slow-connects.ts';
import { createShutdown } from '../runtime/shutdown.ts';
import { simulatedAccount } from '../simulator/account.ts';
import { openSimulator } from '../simulator/server.ts';
import { checkItem, type ItemCheck, type RowWithLink } from './check.ts';
import { openDay } from './day.ts';
import { createPrinter } from './print.ts';
import { composeItems, type DemoContext, sendItems, waitUntilFinished } from './run-script.ts';
import { writeScript } from './script.ts';
import { freePort, startService } from './service.ts';
import { demoSettings } from './settings.ts';
import { summaryOf } from './summary.ts';

/** With the start and the end of the service, less than two minutes. */
const DAY_MS = 95_000;
const CHECKS_MS = 20_000;

allowSlowConnects();
const clock = systemClock;
const account = simulatedAccount(4);
const key = randomBytes(24).toString('base64url');
const log = createLog({ level: 'warn', program: 'demo', secrets: [key] });
const shutdown = createShutdown(log);
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => void shutdown.run(name).then(() => process.exit(1)));
}

/** Resolves with whether everything was as the script says. */
async function run(): Promise<boolean> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, configured: { type: 'boolean', default: false } },
  });
  const port = await freePort();
  const { config, environment } = demoSettings({ account, port, key, configured: values.configured });
  const lifetimes = createLifetimes(config.lifetimes);
  const { lifetimeMs } = lifetimes;
  const dayEnd = AbortSignal.any([shutdown.signal, AbortSignal.timeout(DAY_MS)]);
  const day = await openDay(join(config.dataFolder, 'demo'), lifetimeMs / 2, clock, dayEnd);
  const { startedAt, seed, resumed } = day;
  const print = createPrinter();
  print.begin(resumed);

  const simulator = await openSimulator({ clock, lifetimes, accounts: [account], log });
  shutdown.step('simulator', () => simulator.close());
  const overrides = {
    DATA_DIR: day.folder,
    WECHAT_API_BASE_URL: simulator.url,
    WECHAT_VIDEO_BASE_URL: simulator.url,
    FETCH_ALLOW_HOSTS: simulator.host,
  };
  const service = await startService(
    { environment: environment(overrides), url: `http://127.0.0.1:${port}`, key, clock, shutdown },
    dayEnd,
  );

  const context: DemoContext = { account, simulator, service, clock, log };
  const script = writeScript({ account: account.account, startedAt, seed, lifetimeMs });
  const items = composeItems(script, context);
  const accepted = await sendItems(items, context, dayEnd);
  const sentFrom = new Date(startedAt.getTime() - lifetimeMs);
  const showFinished = (rows: ReadonlyMap<string, RowWithLink>) => {
    for (const { id, description } of items) print.finished(description, rows.get(id));
  };
  const rows = await waitUntilFinished(items, sentFrom, context, showFinished, dayEnd);

  const checksEnd = AbortSignal.any([shutdown.signal, AbortSignal.timeout(CHECKS_MS)]);
  const checks: ItemCheck[] = [];
  for (const item of items) {
    const digestOfSent = () => simulator.digestOf(account.account, item.mediaId);
    checks.push(await checkItem(item, item.id, rows.get(item.id), digestOfSent, checksEnd));
  }
  const ids = new Set(items.map(({ id }) => id));
  const unexpected = [...rows.values()].filter(
    (row) => !ids.has(row.id) && Date.parse(row.createdAt) >= startedAt.getTime(),
  );
  const summary = summaryOf(checks, {
    accepted,
    created: await service.counter('wma_received_total'),
    repeats: items.filter(({ twice }) => twice).length,
    unexpectedRows: unexpected.length,
    tokensRefused: simulator.requestLog.report().errcodes[40001] ?? 0,
    resumed,
  });
  print.end(
    summary,
    values.configured
      ? `The objects are in the bucket, the catalogue in the schema ${config.database.schema}_demo.`
      : `Objects and catalogue are in ${day.folder}. To see them: DATA_DIR=${day.folder} npm start`,
  );
  if (values.json) print.summary(summary);
  await day.end();
  return summary.failures.length === 0;
}

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  const { exitCode, text } = startFailureOf('The demo', error);
  process.stderr.write(`${text}\n`);
  process.exitCode = exitCode;
} finally {
  await shutdown.run('the day is over');
}
