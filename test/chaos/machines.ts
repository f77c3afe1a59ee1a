/** What the service stands on: a Redis and a Postgres that may be killed, a store that fails on request. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { DOCKER } from '../machine/docker.ts';
import { findMachine } from '../machine/find.ts';
import { createPostgresServer, onPostgres } from '../machine/postgres.ts';
import { createRedisServer } from '../machine/redis.ts';
import { basics } from './processes.ts';
import type { StoreFault } from './script.ts';

const START_LIMIT_MS = 60_000;
/** Postgres accepts every connection here; the URL has a password so that a leak of it can be found. */
const DATABASE_PASSWORD = 'chaos-database-password-5d0f';
const DATABASE = 'chaos';

export interface RedisMachine {
  readonly url: string;
  /** Gone for `forMs`, then there again with what it wrote to disk, without it, or with what it held at its last death. */
  kill(forMs: number, comesBackWith: 'all' | 'nothing' | 'past'): Promise<void>;
  /** Keeps what it holds now as the past that it may come back with. */
  keep(): Promise<void>;
  flush(): Promise<void>;
  /** How many jobs it knows of media of ours. */
  jobs(): Promise<number>;
  /** How many jobs of BullMQ are waiting, delayed or in hand, under its own prefix. */
  unfinished(): Promise<number>;
  close(): Promise<void>;
}

export async function openRedis(folder: string): Promise<RedisMachine> {
  const { redis } = await findMachine(process.env);
  if (!redis.via) throw new Error(redis.why ?? 'no Redis of our own can be started here');
  const data = join(folder, 'redis');
  const past = join(folder, 'redis-past');
  // In a container its files are out of reach: forgetting is a flush there.
  const isReachable = redis.via !== DOCKER;
  const server = await createRedisServer({ via: redis.via, folder: data });
  await server.start();

  async function ask<Result>(question: (client: Redis) => Promise<Result>): Promise<Result> {
    const client = new Redis(server.url, { maxRetriesPerRequest: 2 });
    client.on('error', () => undefined);
    try {
      return await question(client);
    } finally {
      client.disconnect();
    }
  }
  const flush = async () => void (await ask((client) => client.flushall()));

  async function keep(): Promise<void> {
    await rm(past, { recursive: true, force: true });
    if (isReachable) await cp(data, past, { recursive: true });
  }

  return {
    url: server.url,
    kill: async (forMs, comesBackWith) => {
      await server.kill();
      if (comesBackWith === 'all') await keep();
      else if (isReachable) {
        await rm(data, { recursive: true, force: true });
        if (comesBackWith === 'past') await cp(past, data, { recursive: true }).catch(() => undefined);
        await mkdir(data, { recursive: true });
      }
      await wait(forMs);
      await server.start();
      if (!isReachable && comesBackWith !== 'all') await flush();
    },
    keep: async () => {
      await server.kill();
      await keep();
      await server.start();
    },
    flush,
    unfinished: () =>
      ask(async (client) => {
        const lists = await Promise.all(
          ['wait', 'active', 'paused'].map((name) => client.llen(`bull:archive:${name}`)),
        );
        return (await client.zcard('bull:archive:delayed')) + lists.reduce((sum, length) => sum + length, 0);
      }),
    jobs: async () =>
      (await ask((client) => client.keys('*:m_*'))).filter((key) => !key.endsWith(':lock')).length,
    close: async () => {
      await server.stop();
      await server.release();
    },
  };
}

export interface PostgresMachine {
  readonly url: string;
  readonly secrets: readonly string[];
  outage(forMs: number, how: 'stop' | 'crash'): Promise<void>;
  close(): Promise<void>;
}

export async function openPostgres(folder: string): Promise<PostgresMachine> {
  const { postgres } = await findMachine(process.env);
  if (!postgres.via) throw new Error(postgres.why ?? 'no Postgres of our own can be started here');
  await chmod(folder, 0o711); // Postgres runs as another user where we are root.
  const server = await createPostgresServer({ via: postgres.via, folder: join(folder, 'postgres') });
  await server.start();
  await onPostgres(server.url, `CREATE DATABASE ${DATABASE}`);
  // The throwaway server answers before it has written; what it said is committed must outlive its crash. fsync may
  // stay off: the machine itself does not die.
  await onPostgres(server.url, `ALTER DATABASE ${DATABASE} SET synchronous_commit = on`);
  const url = Object.assign(new URL(server.url), {
    password: DATABASE_PASSWORD,
    pathname: `/${DATABASE}`,
  }).href;
  return {
    url,
    secrets: [DATABASE_PASSWORD],
    outage: async (forMs, how) => {
      await (how === 'stop' ? server.stop() : server.kill());
      await wait(forMs);
      await server.start();
    },
    close: async () => {
      await server.stop();
      await server.release();
    },
  };
}

export interface StoreAccess {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface StoreMachine {
  /** As in the environment of the service. */
  readonly access: StoreAccess;
  /** Past the proxy: for the listing at the end. */
  readonly behind: StoreAccess;
  /** '' ends it. */
  fault(name: StoreFault | ''): void;
  close(): Promise<void>;
}

export async function openStore(folder: string): Promise<StoreMachine> {
  const keys = {
    bucket: 'chaos-bucket',
    accessKeyId: 'AKCHAOS',
    secretAccessKey: 'chaos-store-secret-91b7c3',
  };
  await mkdir(join(folder, 'store'), { recursive: true });
  const child: ChildProcess = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('store-process.ts', import.meta.url))],
    {
      env: {
        ...basics(),
        CHAOS_STORE_FOLDER: join(folder, 'store'),
        CHAOS_STORE_BUCKET: keys.bucket,
        CHAOS_STORE_KEY: keys.accessKeyId,
        CHAOS_STORE_SECRET: keys.secretAccessKey,
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  );
  const [addresses] = (await once(child, 'message', { signal: AbortSignal.timeout(START_LIMIT_MS) })) as [
    { endpoint: string; behind: string },
  ];
  return {
    access: { ...keys, endpoint: addresses.endpoint },
    behind: { ...keys, endpoint: addresses.behind },
    fault: (name) => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the store has ended with ${child.exitCode ?? child.signalCode}`);
      child.send(name, () => undefined);
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
