/** Finds what tests need on this machine: by URL, by binary, by Docker engine; or installs it where that was asked. */
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { DOCKER, dockerAnswers } from './docker.ts';
import { pingPostgres } from './postgres.ts';
import { findProgram, isExecutable, PROGRAM_NAMES, PROGRAM_PACKAGES } from './programs.ts';
import { pingRedis } from './redis.ts';
import { run } from './server.ts';

export interface Found {
  /** An instance that runs already. */
  readonly url?: string;
  /** A program to start throwaway instances with: a path, or `docker`. */
  readonly via?: string;
  /** Neither (or no `via`): why, and how to get it. */
  readonly why?: string;
}

export interface Machine {
  readonly redis: Found;
  readonly postgres: Found;
  readonly chromium: Found;
}

const DEBIAN_PACKAGES = { redis: 'redis-server', postgres: 'postgresql', chromium: 'chromium' } as const;

export async function findMachine(env: NodeJS.ProcessEnv): Promise<Machine> {
  const redis = findProgram('redis-server', env);
  const postgres = postgresFolders(env).find((folder) => isExecutable(join(folder, 'postgres')));
  const docker = redis && postgres ? undefined : (await dockerAnswers()) ? DOCKER : undefined;
  const [redisUrl, postgresUrl] = await Promise.all([
    answering(env.TEST_REDIS_URL, pingRedis),
    answering(env.TEST_DATABASE_URL, pingPostgres),
  ]);
  const chromium = env.TEST_CHROMIUM
    ? isExecutable(env.TEST_CHROMIUM) && env.TEST_CHROMIUM
    : ['chromium', 'chromium-browser', 'google-chrome'].map((name) => findProgram(name, env)).find(Boolean);
  return {
    redis: found('Redis', 'redis', redisUrl, redis ?? docker, 'TEST_REDIS_URL'),
    postgres: found(
      'Postgres',
      'postgres',
      postgresUrl,
      postgres ? join(postgres, 'postgres') : docker,
      'TEST_DATABASE_URL',
    ),
    chromium: found('Chromium', 'chromium', undefined, chromium || undefined, 'TEST_CHROMIUM'),
  };
}

function found(
  name: string,
  component: keyof Machine,
  url: string | undefined,
  via: string | undefined,
  variable: string,
): Found {
  const cure = `apt-get install ${DEBIAN_PACKAGES[component]}, start Docker, or set ${variable}`;
  const why = `no ${name} on this machine: ${component === 'chromium' ? cure.replace(' start Docker,', '') : cure}`;
  return { ...(url ? { url } : {}), ...(via ? { via } : { why }) };
}

/** A URL that was given and does not respond is an error, not a reason to use another server. */
async function answering(
  url: string | undefined,
  ping: (url: string) => Promise<void>,
): Promise<string | undefined> {
  if (url) await ping(url);
  return url;
}

/** Where `initdb` and `postgres` lie side by side; Debian keeps them out of the PATH, newest version last. */
function postgresFolders(env: NodeJS.ProcessEnv): string[] {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(env.PATH ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin')),
  ];
  return folders.filter((folder) => isExecutable(join(folder, 'initdb')));
}

/** Installs what is missing with apt when we are root on Debian; prints the reason when it cannot. */
export async function installMissing(machine: Machine, say: (line: string) => void): Promise<void> {
  const services = (Object.keys(DEBIAN_PACKAGES) as (keyof Machine)[]).filter(
    (name) => !isThere(machine[name]),
  );
  const programs = PROGRAM_NAMES.filter((name) => !findProgram(name, process.env));
  const names = [...services, ...programs];
  if (names.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    say(`not installing ${names.join(', ')}: that needs root on Debian`);
    return;
  }
  const packages = [
    ...services.map((name) => DEBIAN_PACKAGES[name]),
    ...programs.flatMap((name) => PROGRAM_PACKAGES[name]),
  ];
  const options = {
    // Run level 1: the packages' own services are not started; tests start what they need on ports of their own.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    timeout: 600_000,
    maxBuffer: 64 << 20,
  };
  say(`installing ${packages.join(', ')} with apt-get …`);
  try {
    await run('apt-get', ['update', '-q'], options);
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], options);
  } catch (error) {
    say(`apt-get failed: ${(error as Error).message.slice(-2000)}`);
  }
}

export function isThere(found: Found): boolean {
  return Boolean(found.url ?? found.via);
}
