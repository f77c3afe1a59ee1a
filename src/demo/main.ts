/**
 * `npm run demo`: a scripted day of a simulated account, played in half a minute against the real program in a process
 * of its own. Prints what became of every media and where; exit 0 only if all is as it must be. `--json` makes the last
 * line of stdout a summary; `--configured` uses DATABASE_URL, REDIS_URL and S3_* instead of the embedded parts.
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
import { checkItem, type ItemCheck } from './check.ts';
import { openDay } from './day.ts';
import { createPrinter } from './print.ts';
import { composeItems, type DemoContext, type SentItem, sendItems, waitUntilFinished } from './run-script.ts';
import { writeScript } from './script.ts';
import { freePort, startService } from './service.ts';
import { demoSettings } from './settings.ts';
import { summaryOf } from './summary.ts';

/** Together with the service's start and end less than two minutes. */
const DAY_MS = 95_000;
const JUDGING_MS = 20_000;

allowSlowConnects();
const clock = systemClock;
const account = simulatedAccount(4);
const key = randomBytes(24).toString('base64url');
const log = createLog({ level: 'warn', program: 'demo', secrets: [key] });
const shutdown = createShutdown(log);
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => void shutdown.run(name).then(() => process.exit(1)));
}

/** Whether all was as it must be. */
async function run(): Promise<boolean> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, configured: { type: 'boolean', default: false } },
  });
  const port = await freePort();
  const { config, environment } = demoSettings({ account, port, key, configured: values.configured });
  const lifetimes = createLifetimes(config.lifetimes);
  const { lifetimeMs } = lifetimes;
  const ending = AbortSignal.any([shutdown.signal, AbortSignal.timeout(DAY_MS)]);
  const day = await openDay(join(config.dataFolder, 'demo'), lifetimeMs / 2, clock, ending);
  const { startedAt, seed, resumed } = day;
  const print = createPrinter();
  print.begin(resumed);

  const simulator = await openSimulator({ clock, lifetimes, accounts: [account], log });
  shutdown.step('simulator', () => simulator.close());
  const changes = {
    DATA_DIR: day.folder,
    WECHAT_API_BASE_URL: simulator.url,
    WECHAT_VIDEO_BASE_URL: simulator.url,
    FETCH_ALLOW_HOSTS: simulator.host,
  };
  const service = await startService(
    { environment: environment(changes), url: `http://127.0.0.1:${port}`, key, clock, shutdown },
    ending,
  );

  const stage: DemoContext = { account, simulator, service, clock, log };
  const parts = composeItems(writeScript({ account: account.account, startedAt, seed, lifetimeMs }), stage);
  const accepted = await sendItems(parts, stage, ending);
  const sentFrom = new Date(startedAt.getTime() - lifetimeMs);
  const show = (one: SentItem, row: Parameters<typeof print.settled>[1]) =>
    print.settled(one.description, row);
  const rows = await waitUntilFinished(
    parts,
    sentFrom,
    stage,
    (seen) => {
      for (const part of parts) show(part, seen.get(part.id));
    },
    ending,
  );

  const judging = AbortSignal.any([shutdown.signal, AbortSignal.timeout(JUDGING_MS)]);
  const verdicts: ItemCheck[] = [];
  for (const part of parts) {
    const expected = () => simulator.digestOf(account.account, part.mediaId);
    verdicts.push(await checkItem(part, part.id, rows.get(part.id), expected, judging));
  }
  const ids = new Set(parts.map(({ id }) => id));
  const strangers = [...rows.values()].filter(
    (row) => !ids.has(row.id) && Date.parse(row.createdAt) >= startedAt.getTime(),
  );
  const summary = summaryOf(verdicts, {
    accepted,
    created: await service.counter('wma_received_total'),
    repeats: parts.filter(({ twice }) => twice).length,
    unexpectedRows: strangers.length,
    tokensRefused: simulator.requestLog.report().errcodes[40001] ?? 0,
    resumed,
  });
  print.end(
    summary,
    values.configured
      ? `The objects are in the bucket, the catalogue in the schema ${config.database.schema}_demo.`
      : `Objects and catalogue are in ${day.folder}. To look at them: DATA_DIR=${day.folder} npm start`,
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
