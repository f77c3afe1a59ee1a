/**
 * Redis, Postgres and a browser for a test. `test/run.ts` finds or starts them and passes in the environment where
 * they are; where one is missing, the test is skipped with the reason and the run prints that in bold at its end.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { createPostgresServer, onPostgres } from './postgres.ts';
import { PROGRAM_PACKAGES, type ProgramName } from './programs.ts';
import { createRedisServer } from './redis.ts';
import type { TestServer, ThrowawayServer } from './server.ts';

type Test = Pick<TestContext, 'after' | 'skip'>;

const UNTOLD = 'not looked for: run it with `npm test -- <file>`';
const reason = (name: string, variable: string): string | false =>
  process.env[variable] ? false : (process.env[`TEST_${name}_MISSING`] ?? UNTOLD);

/** Why there is none, or false: for `describe('…', { skip: missing.redis }, …)`. */
export const missing = {
  redis: reason('REDIS', 'TEST_REDIS_URL'),
  redisServer: reason('REDIS', 'TEST_REDIS_SERVER'),
  postgres: reason('POSTGRES', 'TEST_DATABASE_URL'),
  postgresServer: reason('POSTGRES', 'TEST_POSTGRES_SERVER'),
  chromium: reason('CHROMIUM', 'TEST_CHROMIUM'),
} as const;

/** The value of `variable`; if absent the test is marked skipped, and must return. */
function found(t: Test, variable: string, why: string | false): string | undefined {
  if (why === false) return process.env[variable];
  t.skip(why);
  return undefined;
}

/**
 * The shared Redis and a key prefix of the test's own, whose keys are removed after it. Not to be flushed or
 * stopped: that is what {@link startRedis} is for. Undefined: skipped, return.
 */
export async function redisForTest(t: Test): Promise<{ url: string; prefix: string } | undefined> {
  const url = found(t, 'TEST_REDIS_URL', missing.redis);
  if (!url) return undefined;
  const prefix = `{wma-test-${randomBytes(6).toString('hex')}}`;
  atLast(t, async () => {
    const redis = new Redis(url, { maxRetriesPerRequest: 1 });
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1000 })) {
      if (keys.length > 0) await redis.unlink(keys);
    }
    redis.disconnect();
  });
  return { url, prefix };
}

/** The URL of an empty database on the shared Postgres, dropped after the test. Undefined: skipped, return. */
export async function postgresForTest(t: Test): Promise<string | undefined> {
  const server = found(t, 'TEST_DATABASE_URL', missing.postgres);
  if (!server) return undefined;
  const name = `wma_test_${randomBytes(6).toString('hex')}`;
  await onPostgres(server, `CREATE DATABASE ${name}`);
  atLast(t, () => onPostgres(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

/** A Redis of the test's own, started, to be flushed, stopped, killed and started again. */
export async function startRedis(t: Test): Promise<TestServer | undefined> {
  const via = found(t, 'TEST_REDIS_SERVER', missing.redisServer);
  return via ? own(t, (folder) => createRedisServer({ via, folder })) : undefined;
}

/** A Postgres of the test's own; its database `postgres` is empty. */
export async function startPostgres(t: Test): Promise<TestServer | undefined> {
  const via = found(t, 'TEST_POSTGRES_SERVER', missing.postgresServer);
  return via ? own(t, (folder) => createPostgresServer({ via, folder })) : undefined;
}

/** The path of a Chromium or Chrome for playwright-core's `executablePath`. */
export function chromiumForTest(t: Test): string | undefined {
  return found(t, 'TEST_CHROMIUM', missing.chromium);
}

/** The path of a Debian program that the test starts itself. Undefined: the test is skipped and must return. */
export function programForTest(t: Test, program: ProgramName): string | undefined {
  const variable = `TEST_PROGRAM_${program.toUpperCase()}`;
  if (process.env[variable]) return process.env[variable];
  t.skip(`no ${program} on this machine: apt-get install ${PROGRAM_PACKAGES[program].join(' ')}`);
  return undefined;
}

async function own(t: Test, create: (folder: string) => Promise<ThrowawayServer>): Promise<TestServer> {
  const folder = await mkdtemp(join(process.env.TEST_FOLDER ?? tmpdir(), 'server-'));
  await chmod(folder, 0o711); // Postgres runs as another user where we are root.
  const server = await create(join(folder, 'data'));
  atLast(t, async () => {
    await server.stop();
    await server.release();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  await server.start();
  return server;
}

/**
 * node:test runs `after` hooks first in, first out; what a test stands on must go after what the test itself
 * closes. A hook added by a hook comes behind all others.
 */
function atLast(t: Test, close: () => Promise<unknown>): void {
  t.after(() => t.after(close));
}
