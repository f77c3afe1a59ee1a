/** Finds or starts what the tests need, and describes it in the environment of the test files. */
import { join } from 'node:path';
import type { Machine } from './find.ts';
import { createPostgresServer } from './postgres.ts';
import { findProgram, PROGRAM_NAMES, PROGRAM_PACKAGES } from './programs.ts';
import { createRedisServer } from './redis.ts';
import type { ThrowawayServer } from './server.ts';

/** What tests may see of this shell: not its DATABASE_URL, accounts or NODE_ENV. */
const PASSED =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TERM|CI|FORCE_COLOR|NO_COLOR|NODE_OPTIONS|LD_\w+|REQUIRE_SERVICES)$/;

export interface EnvironmentOptions {
  readonly machine: Machine;
  /** Holds the data of servers and all temporary files; removed by the caller. */
  readonly folder: string;
  /** For the compiled sources of test files and of the programs they start. */
  readonly compileCache: string;
  /** Called with each server before it starts, so that the caller can stop it. */
  readonly onServer: (server: ThrowawayServer) => void;
  readonly print: (line: string) => void;
  /** Called with each gap: what cannot be tested here, and why. */
  readonly onMissing: (what: string) => void;
}

/** Starts the servers that have no URL yet and returns the environment for the test files. */
export async function openEnvironment(options: EnvironmentOptions): Promise<NodeJS.ProcessEnv> {
  const { machine, folder, print, onMissing } = options;
  const { redis, postgres, chromium } = machine;
  const shell = Object.entries(process.env).filter(([name]) => PASSED.test(name));
  const environment: NodeJS.ProcessEnv = {
    ...Object.fromEntries(shell),
    TMPDIR: folder,
    TEST_FOLDER: folder,
    NODE_COMPILE_CACHE: options.compileCache,
  };
  const start = async (server: ThrowawayServer) => {
    options.onServer(server);
    await server.start();
    return server.url;
  };
  const [redisUrl, postgresUrl] = await Promise.all([
    redis.url ??
      (redis.via && createRedisServer({ via: redis.via, folder: join(folder, 'redis') }).then(start)),
    postgres.url ??
      (postgres.via &&
        createPostgresServer({ via: postgres.via, folder: join(folder, 'postgres') }).then(start)),
  ]);
  const rows = [
    ['REDIS', 'TEST_REDIS_URL', redisUrl, 'everything on Redis', redis],
    ['REDIS', 'TEST_REDIS_SERVER', redis.via, 'a Redis that is killed or flushed', redis],
    ['POSTGRES', 'TEST_DATABASE_URL', postgresUrl, 'everything on Postgres', postgres],
    ['POSTGRES', 'TEST_POSTGRES_SERVER', postgres.via, 'a Postgres that is stopped', postgres],
    ['CHROMIUM', 'TEST_CHROMIUM', chromium.via, 'the pages in a browser', chromium],
  ] as const;
  for (const [name, variable, value, what, { why }] of rows) {
    if (value) {
      environment[variable] = value;
      print(`${variable}=${value.replace(/:[^:@/]+@/, ':[redacted]@')}`);
    } else {
      environment[`TEST_${name}_MISSING`] = why;
      onMissing(`${what}: ${why}`);
    }
  }
  for (const program of PROGRAM_NAMES) {
    const path = findProgram(program, process.env);
    if (path) environment[`TEST_PROGRAM_${program.toUpperCase()}`] = path;
    else onMissing(`what needs ${program}: apt-get install ${PROGRAM_PACKAGES[program].join(' ')}`);
  }
  return environment;
}
