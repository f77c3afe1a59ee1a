/**
 * The three shapes the service runs in, each opened as its programs open it: configuration, app context, dispatcher, consumer,
 * sweeper. WeChat is the simulator; the store of the shapes with a real database is an S3 server beside them.
 */
import { createHash } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Redis } from 'ioredis';
import { type AppContext, openAppContext } from '../../src/app/app-context.ts';
import { startConsumer, startDispatcher, startSweeper } from '../../src/app/worker.ts';
import type { MediaRow } from '../../src/catalogue/media/row.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openEmbeddedS3 } from '../../src/embedded/s3/server.ts';
import { idOf, type Kind, type Reference } from '../../src/media.ts';
import type { Dispatcher } from '../../src/pipeline/dispatch/dispatcher.ts';
import { createLifetimes, systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import type { SimulatedAccount } from '../../src/simulator/accounts/access-tokens.ts';
import type { MediaRecipe } from '../../src/simulator/media/media-id.ts';
import { openSimulator, type Simulator } from '../../src/simulator/server.ts';
import { databaseTemplate } from '../embedded/database/open.ts';
import { createCleanup, folderForTest } from '../machine/cleanup.ts';
import { runsAll } from '../machine/selection.ts';
import type { TestServer } from '../machine/server.ts';
import { missing, postgresForTest, redisForTest, startPostgres, startRedis } from '../machine/services.ts';

/** Policy durations are a sixtieth, so that the first three attempts are over in half a second. */
export const TIME_SCALE = 60;
const LIFE = { mediaLifetimeMs: 72 * 3_600_000, timeScale: TIME_SCALE };
export const { lifetimeMs } = createLifetimes(LIFE);

export const A = 'wxaaaaaaaaaaaaaaaa';
export const B = 'wxbbbbbbbbbbbbbbbb';
const account = (appId: string, letter: string) => ({
  account: appId,
  appId,
  secret: `app-secret-of-${letter.repeat(18)}`,
  token: `callbacktoken${letter}`,
  encodingAesKey: letter.repeat(43),
});
export const ACCOUNTS = [account(A, 'a'), account(B, 'b')];
export const API_SECRET = 'api-key-for-tests-0123456789';
const S3_KEYS = { accessKeyId: 'WMATESTKEY', secretAccessKey: 's3-secret-for-tests-0123456789' };
const BUCKET = 'wechat-media';

/** Jobs of a worker that is gone are noticed in seconds rather than minutes. */
const TIMING = { lockDurationMs: 2_000, stalledIntervalMs: 1_000, internalRetryMs: 500 };
const SWEEPING = { everyMs: 250, claimAgeMs: 1_500, uploadAgeMs: 2_000 };

/** What a test does to the queue without the program. BullMQ's Queue offers it on every backend. */
export interface Board {
  add(name: string, data: unknown, options: { jobId: string }): Promise<unknown>;
  getJob(jobId: string): Promise<{ failedReason?: string; data: unknown } | undefined>;
  getJobs(): Promise<{ toJSON(): unknown }[]>;
  remove(jobId: string): Promise<number>;
  obliterate(options: { force: boolean }): Promise<void>;
}

/** One process of the service. */
export interface Program {
  readonly parts: AppContext;
  readonly dispatcher: Dispatcher;
  readonly board: Board;
  /** A further consumer in this process. */
  consume(): Promise<void>;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly consume?: boolean;
  readonly env?: Record<string, string>;
  /** How soon a worker that is gone is noticed; default within seconds. */
  readonly timing?: typeof TIMING | Record<string, never>;
  readonly sweeping?: Parameters<typeof startSweeper>[2];
}

export interface Fixture {
  readonly simulator: Simulator;
  /** Every log line of every program so far. */
  readonly logLines: readonly string[];
  readonly redis: TestServer | undefined;
  readonly postgres: TestServer | undefined;
  /** Whether several programs may run at once. */
  readonly shared: boolean;
  /** The S3 secret in use. */
  secret(): Promise<string>;
  start(options?: StartOptions): Promise<Program>;
  /** Everything in the bucket: key → sha256 of what it holds. */
  objects(program: Program): Promise<Map<string, string>>;
  /** A client of another make than the program's own store. */
  client(): Promise<S3Client>;
  openUploads(): Promise<number>;
  /** Deletes all jobs: FLUSHALL, or obliterate where there is no Redis of the fixture's own. */
  purge(program: Program): Promise<void>;
  /** Another worker has taken the job, for three seconds. */
  stealLock(program: Program, jobId: string): Promise<void>;
  /** The job counts as one that killed as many workers as a job may. */
  exhaustStalls(program: Program, jobId: string): Promise<void>;
  close(): Promise<void>;
}

export interface Shape {
  readonly name: string;
  readonly skip: string | false;
  open(options?: FixtureOptions): Promise<Fixture>;
}

export interface FixtureOptions {
  /** Servers of the fixture's own, that may be flushed and stopped. */
  readonly private?: boolean;
  /** Instead of A and B. `entry` holds further fields for ACCOUNTS_FILE. */
  readonly accounts?: readonly (SimulatedAccount & { entry?: Record<string, unknown> })[];
  /** Of the simulator and of every program; default three days, a sixtieth of them. */
  readonly life?: { readonly mediaLifetimeMs: number; readonly timeScale: number };
}

interface Services {
  readonly env: Record<string, string>;
  readonly redis?: TestServer | undefined;
  readonly redisAt?: { url: string; prefix: string };
  readonly postgres?: TestServer | undefined;
}

type Hooks = ReturnType<typeof createCleanup>['hooks'];

async function postgresOf(hooks: Hooks, isPrivate: boolean): Promise<Services> {
  const postgres = isPrivate ? await startPostgres(hooks) : undefined;
  const url = postgres?.url ?? (await postgresForTest(hooks))!;
  return { env: { DATABASE_URL: url }, postgres };
}

async function redisOf(hooks: Hooks, isPrivate: boolean): Promise<Services> {
  const redis = isPrivate ? await startRedis(hooks) : undefined;
  const redisAt = redis ? { url: redis.url, prefix: '{wma}' } : (await redisForTest(hooks))!;
  const under = await postgresOf(hooks, isPrivate);
  return {
    ...under,
    env: { ...under.env, REDIS_URL: redisAt.url, QUEUE_PREFIX: redisAt.prefix },
    redis,
    redisAt,
  };
}

const shapeOf = (
  name: string,
  why: { shared: string | false; private: string | false },
  services: (hooks: Hooks, isPrivate: boolean) => Promise<Services>,
): Shape => ({
  name,
  skip: why.shared || why.private,
  open: (options = {}) => openServicesAndFixture(services, options),
});

export const SHAPES: readonly Shape[] = [
  shapeOf('everything embedded', { shared: false, private: false }, async () => ({ env: {} })),
  shapeOf('Postgres', { shared: missing.postgres, private: missing.postgresServer }, postgresOf),
  shapeOf(
    'Redis and Postgres',
    { shared: missing.redis || missing.postgres, private: missing.redisServer || missing.postgresServer },
    redisOf,
  ),
];

/** The last shape whose servers are here: what most run in production, and the one that needs the least processor. */
const WHOLE = SHAPES.findLast(({ skip }) => skip === false);

/** Whether a suite runs whole on this shape. On the others its cases that depend on database or queue are enough. */
export const runsWhole = (shape: Shape): boolean => runsAll || shape === WHOLE;

/** `it` for a case that depends on neither database nor queue: it runs on one shape, and on all in test:all. */
export const itOnce = (shape: Shape): typeof it =>
  runsWhole(shape) ? it : ((() => Promise.resolve()) as unknown as typeof it);

async function openServicesAndFixture(
  services: (hooks: Hooks, isPrivate: boolean) => Promise<Services>,
  { private: isPrivate = false, accounts = ACCOUNTS, life = LIFE }: FixtureOptions,
): Promise<Fixture> {
  const cleanup = createCleanup();
  try {
    return await openFixture(cleanup, await services(cleanup.hooks, isPrivate), { accounts, life });
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function openFixture(
  cleanup: ReturnType<typeof createCleanup>,
  found: Services,
  { accounts, life }: Required<Pick<FixtureOptions, 'accounts' | 'life'>>,
): Promise<Fixture> {
  const { redis, redisAt, postgres } = found;
  const shared = found.env.DATABASE_URL !== undefined;
  const folder = await folderForTest(cleanup.hooks);
  const quiet = createLog({ level: 'silent', program: 'test', secrets: [] });
  const lifetimes = createLifetimes(life);
  const simulator = await openSimulator({ clock: systemClock, lifetimes, accounts, log: quiet });
  cleanup.hooks.after(() => simulator.close());
  const accountsFile = join(folder, 'accounts.json');
  const entries = accounts.map(({ account: _, entry, ...known }) => ({ ...known, ...entry }));
  await writeFile(accountsFile, JSON.stringify(entries));
  if (!shared) await cp(await databaseTemplate(), join(folder, 'data', 'database'), { recursive: true });
  const s3Options = { bucket: BUCKET, region: 'us-east-1', clock: systemClock, log: quiet, ...S3_KEYS };
  const s3 = shared
    ? await openEmbeddedS3({ ...s3Options, folder: join(folder, 'beside'), fsync: false })
    : undefined;
  if (s3) cleanup.hooks.after(() => s3.close());
  const base: Record<string, string> = {
    DATA_DIR: join(folder, 'data'),
    ALLOW_EMBEDDED: '1',
    ACCOUNTS_FILE: accountsFile,
    API_KEYS: `read:${API_SECRET}`,
    WECHAT_API_BASE_URL: simulator.url,
    WECOM_API_BASE_URL: simulator.url,
    FETCH_ALLOW_HOSTS: simulator.host,
    FETCH_IDLE_TIMEOUT: '1s',
    MAX_MEDIA_BYTES: '40MiB',
    MEDIA_LIFETIME: `${life.mediaLifetimeMs}ms`,
    TIME_SCALE: String(life.timeScale),
    LOG_LEVEL: 'debug',
    SHUTDOWN_GRACE: '3s',
    ...found.env,
    ...(s3 && {
      S3_BUCKET: BUCKET,
      S3_ENDPOINT: s3.endpoint,
      S3_REGION: 'us-east-1',
      S3_ADDRESSING: 'path',
      S3_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
      S3_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
    }),
  };

  const logLines: string[] = [];
  const running = new Set<Program>();

  async function start(options: StartOptions = {}): Promise<Program> {
    const config = loadConfig({ ...base, ...options.env }, { dotEnvFolder: folder });
    const parts = await openAppContext(config, {
      program: 'test',
      writeLog: (line) => void logLines.push(line),
    });
    const dispatcher = startDispatcher(parts);
    const addresses = { ...config.wechat, allowHosts: config.fetch.allowHosts };
    const consume = async () =>
      void (await startConsumer(parts, addresses, dispatcher, options.timing ?? TIMING));
    if (options.consume ?? true) await consume();
    startSweeper(parts, dispatcher, { ...SWEEPING, ...options.sweeping });
    const program: Program = {
      parts,
      dispatcher,
      board: parts.queue.board as Board,
      consume,
      close: async () => {
        await parts.shutdown.run('test');
        running.delete(program);
      },
    };
    running.add(program);
    return program;
  }

  async function keys() {
    if (s3) return { endpoint: s3.endpoint, ...S3_KEYS };
    const text = await readFile(join(folder, 'data', 's3-keys.json'), 'utf8');
    const { port, ...pair } = JSON.parse(text) as typeof S3_KEYS & { port: number };
    return { endpoint: `http://127.0.0.1:${port}`, ...pair };
  }

  /** A client of another make than the program's own store. */
  async function client(): Promise<S3Client> {
    const { endpoint, ...credentials } = await keys();
    return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  }

  async function digest(program: Program, key: string): Promise<string> {
    const object = await program.parts.store.get(key, { signal: AbortSignal.timeout(20_000) });
    if (!object) throw new Error(`there is no ${key}`);
    const hash = createHash('sha256');
    for await (const chunk of object.body) hash.update(chunk);
    return hash.digest('hex');
  }

  return {
    simulator,
    logLines,
    redis,
    postgres,
    shared,
    start,
    secret: async () => (await keys()).secretAccessKey,
    client,
    objects: async (program) => {
      const direct = await client();
      const found = new Map<string, string>();
      let ContinuationToken: string | undefined;
      do {
        const page = await direct.send(
          new ListObjectsV2Command({ Bucket: BUCKET, ...(ContinuationToken && { ContinuationToken }) }),
        );
        for (const { Key } of page.Contents ?? []) found.set(Key!, await digest(program, Key!));
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken);
      direct.destroy();
      return found;
    },
    openUploads: async () => {
      const direct = await client();
      const { Uploads } = await direct.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
      direct.destroy();
      return Uploads?.length ?? 0;
    },
    purge: async (program) => {
      if (!redis) return await program.board.obliterate({ force: true });
      await withRedis(redis.url, (connection) => connection.flushall());
    },
    stealLock: async ({ parts }, jobId) => {
      if (redisAt) {
        const key = `${redisAt.prefix}:wma-archive:${jobId}:lock`;
        const stolen = await withRedis(redisAt.url, (it) => it.set(key, 'another-worker', 'PX', 3_000, 'XX'));
        if (stolen !== 'OK') throw new Error('the job has no lock');
        return;
      }
      const rows = await parts.database.query(
        `UPDATE bullmq.job SET lock_token = 'another-worker' WHERE id = $1 AND state = 'active' RETURNING id`,
        [jobId],
      );
      if (rows.length === 0) throw new Error('the job has no lock');
    },
    exhaustStalls: async ({ parts }, jobId) => {
      const times = 8;
      if (redisAt) {
        const key = `${redisAt.prefix}:wma-archive:${jobId}`;
        await withRedis(redisAt.url, (it) => it.hset(key, 'stc', times));
        return;
      }
      await parts.database.query('UPDATE bullmq.job SET stalled_count = $2 WHERE id = $1', [jobId, times]);
    },
    close: async () => {
      for (const program of running) await program.close();
      await cleanup.run();
    },
  };
}

async function withRedis<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  try {
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}

/** Polls until the result is neither undefined nor false; throws with `what` after the limit. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  limitMs = 60_000,
): Promise<T> {
  const giveUpAt = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > giveUpAt) throw new Error(`${what}: not within ${limitMs} ms`);
    await wait(20);
  }
}

/** The rows, in the order of the ids, once none of them is pending. */
export async function untilEnded(
  program: Program,
  ids: readonly string[],
  limitMs = 60_000,
): Promise<MediaRow[]> {
  const rows: MediaRow[] = [];
  const look = async () => {
    while (rows.length < ids.length) {
      const row = await program.parts.catalogue.media.get(ids[rows.length]!);
      if (!row || row.status === 'pending') return false;
      rows.push(row);
    }
    return rows;
  };
  try {
    return await until('the end of all media', look, limitMs);
  } catch (error) {
    const waiting = await program.parts.catalogue.media.get(ids[rows.length]!);
    throw new Error(`${rows.length} of ${ids.length} ended; ${JSON.stringify(waiting)}`, { cause: error });
  }
}

let seeds = 0;
type Wish = Partial<Omit<MediaRecipe, 'appId'>> & { account?: string };

/** Returns the reference of a new item that the simulator has just received. */
export function receive(simulator: Simulator, wish: Wish = {}): Reference {
  const { account = A, kind = 'voice', ...recipe } = wish;
  const createdAt = recipe.createdAt ?? systemClock.now();
  const mediaId = simulator.mint(account, { seed: ++seeds, ...recipe, kind, createdAt });
  const isWide = kind === 'voice16k';
  return {
    account,
    mediaId,
    kind: isWide ? 'voice' : (kind as Kind),
    ...(isWide && { variant: '16k' as const }),
    sentAt: createdAt,
  };
}

export const idOfInput = (input: Reference) => idOf(input.account, input.mediaId);

/** What the file of a reference must be. */
export async function sha256Of(simulator: Simulator, input: Reference): Promise<string> {
  return (await simulator.digestOf(input.account, input.mediaId))!.sha256;
}
