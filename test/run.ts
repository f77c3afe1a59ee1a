/**
 * `npm test [-- [filter…] [--no-check] [--all] [--record] [--times=<file>] [--test-…]]`: checks the sources, finds or
 * starts Redis and Postgres, runs every test file whose path contains one of the filters, and prints in bold what it
 * could not run and why. REQUIRE_SERVICES=1 installs what is missing (root, Debian) and fails for what is missing still.
 * `--all` is npm run test:all (machine/selection.ts), `--record` writes machine/durations.json, `--times` writes the
 * seconds of every file as JSON.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, glob, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { longestFirst, readDurations, recordDurations } from './machine/durations.ts';
import { openEnvironment } from './machine/environment.ts';
import { type FileResult, runFiles } from './machine/file-pool.ts';
import { findMachine, installMissing, type Machine } from './machine/find.ts';
import { killLeftovers } from './machine/leftovers.ts';
import type { ThrowawayServer } from './machine/server.ts';
import { rememberUnsteady } from './machine/unsteady.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache');
/** Overridable for a CI whose node_modules are new in every run. */
const STATE_FILE = process.env.WMA_TEST_STATE || join(CACHE, 'wma/unsteady.json');
const args = process.argv.slice(2);
const runsAll = args.includes('--all') || process.env.WMA_TEST_ALL === '1';
/** Their limits are in seconds of a machine that does nothing else; the short forms run beside others. */
const RUNS_ALONE = runsAll ? /^test\/(contract\/fairness|chaos\/)/ : /^$/;
/** When more files than this fail, the cause is not a busy machine and they are not repeated. */
const MOST_REPEATED = 5;
const SLOWEST_SHOWN = 10;

const print = (line: string) => process.stdout.write(`${line}\n`);
const printBold = (line: string) => print(styleText(['bold', 'yellow'], line));

const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopped.abort(new Error(`interrupted by ${signal}`)));
}

const startedAt = performance.now();
const required = process.env.REQUIRE_SERVICES === '1';
const problems: string[] = [];
const untested: string[] = [];
const unsteady: string[] = [];
const results: FileResult[] = [];
const servers: ThrowawayServer[] = [];
// The real path, because it is compared with the paths in /proc.
const folder = await realpath(await mkdtemp(join(tmpdir(), 'wma-test-')));
await chmod(folder, 0o711); // Postgres runs as another user when we are root.

try {
  const files = await findTests();
  // Beside the tests, because it needs one core and the tests that wait leave it.
  const checked = args.includes('--no-check') ? undefined : checkSources();
  const environment = await openEnvironment({
    machine: await findServices(),
    folder,
    compileCache: join(CACHE, 'compiled'),
    onServer: (server) => servers.push(server),
    print,
    onMissing: reportMissing,
  });
  if (runsAll) environment.WMA_TEST_ALL = '1';
  stopped.signal.throwIfAborted();
  print(`running ${files.length} test files${runsAll ? ', whole' : ''}`);
  const ordered = longestFirst(files, await readDurations());
  // Most of them wait for sockets, processes and timers most of the time.
  const concurrency = 2 * availableParallelism();
  await runTests(
    ordered.filter((file) => !RUNS_ALONE.test(file)),
    concurrency,
    environment,
  );
  await checked;
  await runTests(
    ordered.filter((file) => RUNS_ALONE.test(file)),
    1,
    environment,
  );
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error));
} finally {
  for (const server of servers) await server.stop().catch((error) => problems.push(`${error}`));
  for (const { pid, command } of await killLeftovers(folder)) {
    printBold(`LEFT RUNNING by a test, killed now: ${pid} ${command}`);
  }
  for (const server of servers) await server.release().catch((error) => problems.push(`${error}`));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
await reportResults();
process.exit(problems.length === 0 ? 0 : stopped.signal.aborted ? 130 : 1);

/** Returns the files under test/ whose path contains one of the filters; throws when there is none. */
async function findTests(): Promise<string[]> {
  const filters = args.filter((word) => !word.startsWith('--')).map((word) => word.replace(/^\.\//, ''));
  const files: string[] = [];
  for await (const file of glob('test/**/*.test.ts', { cwd: ROOT })) {
    if (filters.length === 0 || filters.some((filter) => file.includes(filter))) files.push(file);
  }
  if (files.length === 0) throw new Error(`no test file matches ${filters.join(' ') || 'test/**/*.test.ts'}`);
  return files;
}

/** Runs biome and tsc. The tests run whatever they find. */
async function checkSources(): Promise<void> {
  const tools = [
    ['biome', '@biomejs/biome/bin/biome', ['check', '.']],
    ['tsc', 'typescript/bin/tsc', []],
    ['eslint', 'eslint/bin/eslint.js', []],
  ] as const;
  for (const [name, file, toolArgs] of tools) {
    const path = join(ROOT, 'node_modules', file);
    if (!existsSync(path)) {
      reportMissing(
        `the sources with ${name}: it is not installed; run npm ci with development dependencies`,
      );
      continue;
    }
    const end = await run(process.execPath, [path, ...toolArgs]);
    if (end !== 0) problems.push(`${name} failed (${end})`);
  }
}

/** Prints a gap at once and again at the end; a failure when services are required. */
function reportMissing(what: string): void {
  printBold(`NOT TESTED: ${what}`);
  untested.push(what);
  if (required) problems.push(`not tested: ${what}`);
}

async function findServices(): Promise<Machine> {
  const machine = await findMachine(process.env);
  if (!required) return machine;
  await installMissing(machine, print);
  return findMachine(process.env);
}

/**
 * Runs the files. Those that fail run once more, alone: they start servers and processes by the dozen, and beside
 * others on a shared machine one may get too little of a processor. A file that then passes is unsteady and named.
 */
async function runTests(
  files: readonly string[],
  concurrency: number,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (files.length === 0) return;
  const options = {
    root: ROOT,
    folder,
    environment,
    nodeArgs: args.filter((word) => word.startsWith('--test-')),
    signal: stopped.signal,
    print,
  };
  const first = await runFiles(files, { ...options, concurrency });
  results.push(...first);
  const failed = failedOf(first);
  if (failed.length === 0) return;
  if (failed.length > MOST_REPEATED) {
    problems.push(`tests failed in ${failed.length} files: ${failed.join(', ')}`);
    return;
  }
  printBold(`once more, alone: ${failed.join(', ')}`);
  const still = failedOf(await runFiles(failed, { ...options, concurrency: 1 }));
  if (still.length > 0) problems.push(`tests failed in ${still.join(', ')}`);
  unsteady.push(...failed.filter((file) => !still.includes(file)));
}

function failedOf(some: readonly FileResult[]): string[] {
  return some.filter(({ passed }) => !passed).map(({ file }) => file);
}

async function reportResults(): Promise<void> {
  const seconds = Object.fromEntries(results.map((result) => [result.file, result.seconds]));
  if (results.length > 1) {
    const slowest = results.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST_SHOWN);
    print(`the ${slowest.length} slowest files:`);
    for (const { file, seconds: taken } of slowest) print(`${taken.toFixed(1).padStart(8)} s  ${file}`);
  }
  const times = args.find((word) => word.startsWith('--times='))?.slice('--times='.length);
  if (times) await writeFile(times, `${JSON.stringify(seconds, null, 2)}\n`);
  if (args.includes('--record')) await recordDurations(seconds);
  for (const what of untested) printBold(`NOT TESTED: ${what}`);
  for (const file of unsteady)
    printBold(`UNSTEADY: ${file} failed beside others and passed alone; look above`);
  for (const file of await rememberUnsteady(STATE_FILE, { ran: Object.keys(seconds), unsteady }))
    problems.push(`${file} is unsteady for the second run in a row`);
  for (const problem of problems) print(styleText(['bold', 'red'], `FAILED: ${problem}`));
  const sum = (name: 'passed' | 'failed' | 'skipped') =>
    results.reduce((total, { counts }) => total + (counts?.[name] ?? 0), 0);
  if (!runsAll)
    print('npm run test:all runs every suite on every shape, the large numbers and all chaos runs');
  print(`${sum('passed')} tests passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
  const outcome =
    problems.length > 0
      ? 'failed'
      : untested.length + unsteady.length > 0
        ? 'passed, with the gaps named above,'
        : 'passed';
  const took = Math.round((performance.now() - startedAt) / 1000);
  print(styleText('bold', `${outcome} in ${took} s`));
}

/** Runs a command on our terminal; returns its exit code, or the signal that ended it. */
async function run(program: string, programArgs: readonly string[]): Promise<string | number | null> {
  const child = spawn(program, programArgs, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  const stop = () => child.kill('SIGTERM');
  stopped.signal.addEventListener('abort', stop);
  const end = await new Promise<string | number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  stopped.signal.removeEventListener('abort', stop);
  return end;
}
