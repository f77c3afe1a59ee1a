/** Everything a run needs, opened for a shape: machines, the simulated WeChat, and the processes of the service. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../machine/server.ts';
import {
  openPostgres,
  openRedis,
  openStore,
  type PostgresMachine,
  type RedisMachine,
  type StoreAccess,
  type StoreMachine,
} from './machines.ts';
import { basics, createProcesses, type Processes } from './processes.ts';
import { type Role, type Shape, timeScaleOf } from './script.ts';
import { type ChaosAccount, createWechat, type Wechat } from './wechat.ts';

const SIMULATOR = fileURLToPath(new URL('../../src/simulator/main.ts', import.meta.url));
const API_KEY = 'chaos-key-of-the-api-7a41e0';
const EXIT_INTERRUPTED = 130;
const START_LIMIT_MS = 60_000;
const READY_LIMIT_MS = 180_000;

export interface FixtureOptions {
  readonly shape: Shape;
  readonly lifeMs: number;
  /** A foreign stand-in that runs already, and its accounts. */
  readonly wechatUrl?: string;
  readonly accountsFile?: string;
  /** Added to the environment of the programs of the service. */
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of the service's own programs. */
  readonly programs?: Partial<Record<Role, string>>;
  readonly keep?: boolean;
}

export interface Fixture {
  readonly folder: string;
  readonly shape: Shape;
  /** Of the server. */
  readonly url: string;
  readonly apiKey: string;
  readonly accounts: readonly ChaosAccount[];
  readonly wechat: Wechat;
  readonly processes: Processes;
  readonly redis: RedisMachine | undefined;
  readonly postgres: PostgresMachine | undefined;
  readonly store: StoreMachine | undefined;
  /** Where the objects lie; the embedded store's keys are known once it has been started. */
  storeAccess(): Promise<StoreAccess>;
  /** To the letter: none of them may be found anywhere. */
  secrets(): Promise<readonly string[]>;
  /** What the caller opened besides: closed before everything else, also when the run is interrupted. */
  closeFirst(step: () => Promise<unknown>): void;
  close(): Promise<void>;
}

const PROGRAMS: Readonly<Record<Shape, Partial<Record<Role, string>>>> = {
  embedded: { all: 'src/main.ts' },
  postgres: severalProcesses(),
  redis: severalProcesses(),
};

function severalProcesses(): Partial<Record<Role, string>> {
  return {
    server: 'src/server/main.ts',
    'worker-1': 'workers/archive.ts',
    'worker-2': 'workers/archive.ts',
    'sweeper-1': 'workers/sweep.ts',
    'sweeper-2': 'workers/sweep.ts',
  };
}

async function openSimulator(folder: string, lifeMs: number) {
  const port = await freePort();
  const accountsFile = join(folder, 'accounts.json');
  const timeScale = String(timeScaleOf(lifeMs));
  const child: ChildProcess = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      SIMULATOR,
      ...['--port', String(port), '--accounts-file', accountsFile, '--time-scale', timeScale],
      ...['--log-level', 'error'],
    ],
    { env: basics(), stdio: ['ignore', 'ignore', 'inherit'] },
  );
  return {
    url: `http://127.0.0.1:${port}`,
    accountsFile,
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function untilIt(what: string, works: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  for (;;) {
    try {
      await works();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`${what} does not respond`, { cause: error });
      await wait(100);
    }
  }
}

async function readAccounts(file: string): Promise<ChaosAccount[]> {
  type Entry = Omit<ChaosAccount, 'account'> & { agentId?: string | number };
  const entries = JSON.parse(await readFile(file, 'utf8')) as Entry[];
  return entries.map((entry) => ({
    ...entry,
    account: entry.corpId ? `${entry.corpId}-${entry.agentId}` : entry.appId!,
  }));
}

const storeEnv = (access: StoreAccess) => ({
  S3_ENDPOINT: access.endpoint,
  S3_BUCKET: access.bucket,
  S3_ADDRESSING: 'path',
  S3_REGION: 'us-east-1',
  S3_ACCESS_KEY_ID: access.accessKeyId,
  S3_SECRET_ACCESS_KEY: access.secretAccessKey,
});

/** Waits until /readyz succeeds, three minutes at most; throws with the last output of the first program. */
export async function untilReady(
  { url, processes }: Pick<Fixture, 'url' | 'processes'>,
  signal?: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  while (!signal?.aborted) {
    const limit = AbortSignal.timeout(5_000);
    const response = await fetch(`${url}/readyz`, { signal: limit }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    if (performance.now() > deadline)
      throw new Error(`the service is not ready:\n${processes.log(processes.roles[0]!).slice(-4_000)}`);
    await wait(100);
  }
}

/** Opens all but the processes, which the caller starts. When a part fails, closes what is open and throws. */
export async function openFixture(options: FixtureOptions): Promise<Fixture> {
  const { shape, lifeMs } = options;
  const folder = await mkdtemp(join(process.env.TEST_FOLDER ?? tmpdir(), 'wma-chaos-'));
  const closing: (() => Promise<unknown>)[] = [];
  if (!options.keep)
    closing.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  const leave = () => void close().then(() => process.exit(EXIT_INTERRUPTED));
  const close = async () => {
    process.off('SIGINT', leave).off('SIGTERM', leave);
    for (const step of closing.splice(0).reverse())
      await step().catch((error) => console.error(String(error)));
  };
  const opened = async <Part extends { close(): Promise<unknown> }>(
    opening: Promise<Part>,
  ): Promise<Part> => {
    const part = await opening;
    closing.push(() => part.close());
    return part;
  };
  // Half a dozen servers would go on without us.
  process.once('SIGINT', leave).once('SIGTERM', leave);
  try {
    const simulator = options.wechatUrl
      ? { url: options.wechatUrl, accountsFile: options.accountsFile! }
      : await opened(openSimulator(folder, lifeMs));
    const wechat = createWechat(simulator.url);
    await untilIt('the stand-in for WeChat', () => wechat.names());
    const accounts = await readAccounts(simulator.accountsFile);
    const postgres = shape === 'embedded' ? undefined : await opened(openPostgres(folder));
    const redis = shape === 'redis' ? await opened(openRedis(folder)) : undefined;
    const store = shape === 'embedded' ? undefined : await opened(openStore(folder));
    const port = await freePort();
    const env: Record<string, string> = {
      HOST: '127.0.0.1',
      PORT: String(port),
      API_KEYS: `admin:${API_KEY}`,
      ACCOUNTS_FILE: simulator.accountsFile,
      WECHAT_API_BASE_URL: simulator.url,
      WECOM_API_BASE_URL: simulator.url,
      WECHAT_VIDEO_BASE_URL: simulator.url,
      FETCH_ALLOW_HOSTS: new URL(simulator.url).host,
      FETCH_IDLE_TIMEOUT: '3s',
      FETCH_TOTAL_TIMEOUT: '1m',
      ACCOUNT_CONCURRENCY: '8',
      SHUTDOWN_GRACE: '3s',
      TIME_SCALE: String(timeScaleOf(lifeMs)),
      LOG_LEVEL: 'debug',
      ALLOW_EMBEDDED: shape === 'embedded' ? '1' : '',
      ...(postgres && { DATABASE_URL: postgres.url }),
      ...(redis && { REDIS_URL: redis.url }),
      ...(store && storeEnv(store.access)),
      ...options.env,
    };
    const processes = createProcesses({
      programs: options.programs ?? PROGRAMS[shape],
      env,
      folder,
    });
    closing.push(() => processes.stop());
    const storeAccess = async (): Promise<StoreAccess> => {
      if (store) return store.behind;
      const keys = JSON.parse(await readFile(join(folder, 'data-all', 's3-keys.json'), 'utf8'));
      return { ...keys, bucket: 'wechat-media', endpoint: `http://127.0.0.1:${keys.port}` };
    };
    return {
      folder,
      shape,
      url: `http://127.0.0.1:${port}`,
      apiKey: API_KEY,
      accounts,
      wechat,
      processes,
      redis,
      postgres,
      store,
      storeAccess,
      secrets: async () => [
        API_KEY,
        (await storeAccess()).secretAccessKey,
        ...(postgres?.secrets ?? []),
        ...accounts.flatMap(({ secret, token, encodingAesKey }) => [secret, token, encodingAesKey]),
      ],
      closeFirst: (step) => void closing.push(step),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
