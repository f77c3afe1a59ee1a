/**
 * `npm test [-- [filter…] [--no-check] [--test-…]]`: checks the sources, finds or starts Redis and Postgres, runs
 * every test file whose path contains one of the filters, and says in bold what it could not run and why.
 * REQUIRE_SERVICES=1 installs what is missing (root, Debian) and fails for what is missing still.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, glob, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { parseResults } from './machine/file-results.ts';
import { findMachine, installMissing, type Machine } from './machine/find.ts';
import { killLeftovers } from './machine/leftovers.ts';
import { createPostgresServer } from './machine/postgres.ts';
import { findProgram, PROGRAM_NAMES, PROGRAM_PACKAGES } from './machine/programs.ts';
import { createRedisServer } from './machine/redis.ts';
import type { ThrowawayServer } from './machine/server.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TEST_LIMIT_MS = 300_000;
/** Fleets of processes on a clock of their own, and promises in seconds: alone on the machine, so they come last. */
const WANTS_ALL = /^test\/(chaos\/|contract\/fairness)/;
/** More files than this do not fail for want of a processor. */
const MOST_AGAIN = 5;
const SLOWEST_SHOWN = 10;
/** What tests may see of this shell: never somebody's DATABASE_URL, account or NODE_ENV. */
const PASSED =
  /^(PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TERM|CI|FORCE_COLOR|NO_COLOR|NODE_OPTIONS|LD_\w+|REQUIRE_SERVICES|WMA_TEST_ALL)$/;

const say = (line: string) => process.stdout.write(`${line}\n`);
const shout = (line: string) => say(styleText(['bold', 'yellow'], line));

const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopped.abort(new Error(`interrupted by ${signal}`)));
}

const startedAt = performance.now();
const args = process.argv.slice(2);
const required = process.env.REQUIRE_SERVICES === '1';
const problems: string[] = [];
const untested: string[] = [];
const unsteady: string[] = [];
const durations = new Map<string, number>();
const servers: ThrowawayServer[] = [];
// The real path, because it is compared with what /proc says of a process.
const folder = await realpath(await mkdtemp(join(tmpdir(), 'wma-test-')));
await chmod(folder, 0o711); // Postgres runs as another user where we are root.

try {
  const files = await findTests();
  if (!args.includes('--no-check')) await check();
  const environment = await startServices(await findServices());
  stopped.signal.throwIfAborted();
  say(`running ${files.length} test files`);
  const alone = files.filter((file) => WANTS_ALL.test(file));
  const together = files.filter((file) => !WANTS_ALL.test(file));
  // Tests mostly wait for sockets: a little more than one a core, but the cores may be shared.
  const most = Math.max(2, Math.min(4, availableParallelism()));
  for (const [group, concurrency] of [
    [together, most],
    [alone, 1],
  ] as const) {
    if (group.length === 0) continue;
    await runTests(group, concurrency, environment);
  }
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error));
} finally {
  for (const server of servers) await server.stop().catch((error) => problems.push(`${error}`));
  for (const { pid, command } of await killLeftovers(folder)) {
    shout(`LEFT RUNNING by a test, killed now: ${pid} ${command}`);
  }
  for (const server of servers) await server.release().catch((error) => problems.push(`${error}`));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
if (durations.size > 1) {
  const slowest = [...durations].sort(([, one], [, other]) => other - one).slice(0, SLOWEST_SHOWN);
  say(`the ${slowest.length} slowest files:`);
  for (const [file, taken] of slowest) say(`${taken.toFixed(1).padStart(8)} s  ${file}`);
}
for (const what of untested) shout(`NOT TESTED: ${what}`);
for (const file of unsteady) shout(`UNSTEADY: ${file} failed beside others and passed alone; look above`);
for (const problem of problems) say(styleText(['bold', 'red'], `FAILED: ${problem}`));
const seconds = Math.round((performance.now() - startedAt) / 1000);
const verdict =
  problems.length > 0
    ? 'failed'
    : untested.length + unsteady.length > 0
      ? 'passed, with the gaps named above,'
      : 'passed';
say(styleText('bold', `${verdict} in ${seconds} s`));
process.exit(problems.length === 0 ? 0 : stopped.signal.aborted ? 130 : 1);

/** Files under test/ whose path contains one of the words given; none at all is a mistake, not a success. */
async function findTests(): Promise<string[]> {
  const filters = args.filter((word) => !word.startsWith('--')).map((word) => word.replace(/^\.\//, ''));
  const files: string[] = [];
  for await (const file of glob('test/**/*.test.ts', { cwd: ROOT })) {
    if (filters.length === 0 || filters.some((filter) => file.includes(filter))) files.push(file);
  }
  if (files.length === 0) throw new Error(`no test file matches ${filters.join(' ') || 'test/**/*.test.ts'}`);
  return files.sort();
}

/** biome and tsc; their complaints do not keep the tests from running. */
async function check(): Promise<void> {
  const tools = [
    ['biome', '@biomejs/biome/bin/biome', ['check', '.']],
    ['tsc', 'typescript/bin/tsc', []],
  ] as const;
  for (const [name, file, toolArgs] of tools) {
    const path = join(ROOT, 'node_modules', file);
    if (!existsSync(path)) {
      lack(`the sources with ${name}: it is not installed here; run npm ci with development dependencies`);
      continue;
    }
    const end = await run(process.execPath, [path, ...toolArgs], process.env);
    if (end !== 0) problems.push(`${name} failed (${end})`);
  }
}

/** Something stays untested: said at once and again at the end, and a failure where services are required. */
function lack(what: string): void {
  shout(`NOT TESTED: ${what}`);
  untested.push(what);
  if (required) problems.push(`not tested: ${what}`);
}

async function findServices(): Promise<Machine> {
  const machine = await findMachine(process.env);
  if (!required) return machine;
  await installMissing(machine, say);
  return findMachine(process.env);
}

/** Starts what has no URL yet; answers the environment for tests. */
async function startServices({ redis, postgres, chromium }: Machine): Promise<NodeJS.ProcessEnv> {
  const shell = Object.entries(process.env).filter(([name]) => PASSED.test(name));
  const environment: NodeJS.ProcessEnv = {
    ...Object.fromEntries(shell),
    TMPDIR: folder,
    TEST_FOLDER: folder,
  };
  const start = async (server: ThrowawayServer) => {
    servers.push(server);
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
    ['REDIS', 'TEST_REDIS_SERVER', redis.via, 'what becomes of a killed or flushed Redis', redis],
    ['POSTGRES', 'TEST_DATABASE_URL', postgresUrl, 'everything on Postgres', postgres],
    ['POSTGRES', 'TEST_POSTGRES_SERVER', postgres.via, 'what becomes of a stopped Postgres', postgres],
    ['CHROMIUM', 'TEST_CHROMIUM', chromium.via, 'the pages in a browser', chromium],
  ] as const;
  for (const [name, variable, value, what, { why }] of rows) {
    if (value) {
      environment[variable] = value;
      say(`${variable}=${value.replace(/:[^:@/]+@/, ':[redacted]@')}`);
    } else {
      environment[`TEST_${name}_MISSING`] = why;
      lack(`${what}: ${why}`);
    }
  }
  for (const program of PROGRAM_NAMES) {
    const path = findProgram(program, process.env);
    if (path) environment[`TEST_PROGRAM_${program.toUpperCase()}`] = path;
    else lack(`what needs ${program}: apt-get install ${PROGRAM_PACKAGES[program].join(' ')}`);
  }
  return environment;
}

/**
 * Runs them. What fails is run once more, alone: these tests start servers and processes by the dozen, and beside
 * others on a shared machine one of them may be starved. It passes only if it passes alone, and that is said in bold.
 */
async function runTests(
  files: readonly string[],
  concurrency: number,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const list = join(folder, 'results');
  /** Runs the files; returns the exit code and those that failed. */
  const runOnce = async (some: readonly string[], most: number) => {
    const end = await run(process.execPath, testCommand(some, most, list), environment);
    const results = parseResults(await readFile(list, 'utf8'));
    for (const result of results) if ('seconds' in result) durations.set(result.file, result.seconds);
    const failed = new Set(results.flatMap((result) => ('failed' in result ? result.file : [])));
    return { end, failed: [...failed].sort() };
  };
  const first = await runOnce(files, concurrency);
  if (first.end === 0) return;
  const again = first.failed;
  if (again.length === 0 || again.length > MOST_AGAIN) {
    problems.push(
      again.length === 0 ? 'the tests ended without a result' : `tests failed in ${again.length} files`,
    );
    return;
  }
  shout(`once more, alone: ${again.join(', ')}`);
  const { end, failed: still } = await runOnce(again, 1);
  if (end !== 0) problems.push(`tests failed in ${still.join(', ') || again.join(', ')}`);
  unsteady.push(...again.filter((file) => end === 0 || (still.length > 0 && !still.includes(file))));
}

function testCommand(files: readonly string[], concurrency: number, resultList: string): string[] {
  return [
    '--disable-warning=ExperimentalWarning',
    `--import=${new URL('machine/deadline.ts', import.meta.url).href}`,
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${TEST_LIMIT_MS}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${new URL('machine/file-results.ts', import.meta.url).href}`,
    `--test-reporter-destination=${resultList}`,
    ...args.filter((word) => word.startsWith('--test-')),
    ...files,
  ];
}

/** Runs a command on our terminal; answers its exit code, or the signal that ended it. */
async function run(
  program: string,
  programArgs: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string | number | null> {
  const child = spawn(program, programArgs, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const stop = () => child.kill('SIGTERM');
  stopped.signal.addEventListener('abort', stop);
  const end = await new Promise<string | number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  stopped.signal.removeEventListener('abort', stop);
  stopped.signal.throwIfAborted();
  return end;
}
