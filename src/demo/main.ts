/**
 * `npm run demo`: a scripted day of a simulated account, played in half a minute against the real program in a process
 * of its own. Prints what became of every media and where; exit 0 only if all is as it must be. `--json` makes the last
 * line of stdout a summary; `--configured` uses DATABASE_URL, REDIS_URL and S3_* instead of the embedded parts.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createLifetimes, systemClock } from '../clock.ts';
import { childEnvironment, loadConfig } from '../config.ts';
import { createLog } from '../log.ts';
import { idOf } from '../media.ts';
import { simulatedAccount } from '../simulator/account.ts';
import { createCallbacks } from '../simulator/callbacks.ts';
import { composeMessage } from '../simulator/messages.ts';
import { openSimulator } from '../simulator/server.ts';
import { openDay } from './day.ts';
import { judge, type LinkedRow, type Verdict } from './judge.ts';
import { createPrinter, summaryOf } from './print.ts';
import { type Scene, writeScript } from './script.ts';
import { freePort, type Service, startService } from './service.ts';

/** Three days in six minutes: long enough that nothing expires which should not, short enough to see one that must. */
const TIME_SCALE = 720;
const LIMIT_MS = 115_000;
const LOOK_MS = 500;
const PAGE = 200;

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, configured: { type: 'boolean', default: false } },
});
const signal = AbortSignal.timeout(LIMIT_MS);
const clock = systemClock;
const account = simulatedAccount(4);
const key = randomBytes(24).toString('base64url');
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const EMBEDDED = { DATABASE_URL: '', REDIS_URL: '', S3_BUCKET: '', S3_ENDPOINT: '', S3_PRESET: '' };
const settings = {
  ...(options.configured ? {} : EMBEDDED),
  ALLOW_EMBEDDED: '1',
  HOST: '127.0.0.1',
  PORT: String(port),
  CALLBACK_PORT: '',
  PUBLIC_URL: '',
  API_KEYS: `admin:${key}`,
  ACCOUNTS_FILE: '',
  WECHAT_APP_ID: account.appId,
  WECHAT_APP_SECRET: account.secret,
  WECHAT_TOKEN: account.token,
  WECHAT_ENCODING_AES_KEY: account.encodingAesKey ?? '',
  WECHAT_PROXY: '',
  TIME_SCALE: String(TIME_SCALE),
  MEDIA_LIFETIME: '72h',
};
const config = loadConfig(childEnvironment(settings));
const lifetimes = createLifetimes(config.lifetimes);
const log = createLog({ level: 'warn', program: 'demo', secrets: [key] });
const day = await openDay(join(config.dataFolder, 'demo'), lifetimes.lifetimeMs / 2, clock.now());
const print = createPrinter();
print.begin(day.resumed);

const simulator = await openSimulator({ clock, lifetimes, accounts: [account], log });
const environment = childEnvironment({
  ...settings,
  DATA_DIR: day.folder,
  LOG_LEVEL: 'error',
  WECHAT_API_BASE_URL: simulator.url,
  WECHAT_VIDEO_BASE_URL: simulator.url,
  FETCH_ALLOW_HOSTS: simulator.host,
});
let service: Service | undefined;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => void (service?.stop() ?? Promise.resolve()).finally(() => process.exit(1)));
}

interface Cast extends Scene {
  readonly mediaId: string;
  readonly id: string;
}

/** Sends the day's messages; answers how many references were accepted, repeats included. */
async function play(cast: readonly Cast[], messages: ReturnType<typeof composeMessage>[]): Promise<number> {
  const callbacks = createCallbacks({
    account,
    url: `${url}/wechat/${account.account}`,
    clock,
    log,
    ledger: simulator.ledger,
  });
  if (!(await callbacks.sendHandshake(signal))) throw new Error('the handshake of the callback URL failed');
  let accepted = 0;
  for (const [place, scene] of cast.entries()) {
    if (scene.killTokens) simulator.invalidateTokens(account.account);
    const twice = scene.twice === true;
    const delivery = await callbacks.send(messages[place]!, signal, { twice });
    if (delivery.accepted) accepted += twice ? 2 : 1;
  }
  return accepted;
}

async function rowsOf(running: Service): Promise<Map<string, LinkedRow>> {
  const rows = new Map<string, LinkedRow>();
  let cursor: string | null = null;
  do {
    const query: string = `/v1/media?account=${account.account}&include=link&limit=${PAGE}${cursor ? `&cursor=${cursor}` : ''}`;
    const page: { items: LinkedRow[]; nextCursor: string | null } = await running.get(query, signal);
    for (const row of page.items) rows.set(row.id, row);
    cursor = page.nextCursor;
  } while (cursor);
  return rows;
}

/** Waits until nothing is pending, saying what becomes of each media as it does. */
async function settled(running: Service, cast: readonly Cast[]): Promise<Map<string, LinkedRow>> {
  for (;;) {
    const rows = await rowsOf(running);
    for (const scene of cast) print.settled(scene.says, rows.get(scene.id));
    if (cast.every((scene) => (rows.get(scene.id)?.status ?? 'pending') !== 'pending')) return rows;
    if (signal.aborted) return rows;
    await Promise.race([clock.sleep(LOOK_MS, signal).catch(() => undefined), running.ended]);
  }
}

async function run(): Promise<boolean> {
  service = await startService({ environment, url, key, clock }, signal);
  const script = writeScript({
    account: account.account,
    startedAt: day.startedAt,
    seed: day.seed,
    lifetimeMs: lifetimes.lifetimeMs,
  });
  const messages = script.map((scene) => composeMessage(simulator, scene.wish));
  const cast = script.map((scene, place): Cast => {
    const mediaId = messages[place]!.mediaIds[0]!;
    return { ...scene, mediaId, id: idOf(account.account, mediaId) };
  });
  const accepted = await play(cast, messages);
  const rows = await settled(service, cast);
  const verdicts: Verdict[] = [];
  for (const scene of cast) {
    const expected = () => simulator.digestOf(account.account, scene.mediaId);
    verdicts.push(await judge(scene, scene.id, rows.get(scene.id), expected, AbortSignal.timeout(LIMIT_MS)));
  }
  const created = Number(/^wma_received_total (\d+)/m.exec(await service.metrics(signal))?.[1] ?? 0);
  const summary = summaryOf(verdicts, { duplicates: accepted - created, strangers: rows.size - cast.length });
  print.end(summary, day.folder, options.json);
  await day.end();
  return summary.failures.length === 0;
}

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`The demo did not come to its end: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await service?.stop();
  await simulator.close();
}
