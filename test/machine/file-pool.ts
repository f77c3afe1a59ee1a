/** Runs test files as processes, several at once, and prints the output of each as a whole when it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestCounts } from './file-report.ts';

/** What became of a test file. */
export interface FileResult {
  readonly file: string;
  readonly seconds: number;
  readonly passed: boolean;
  /** Undefined: the process died before its last test. */
  readonly counts: TestCounts | undefined;
}

export interface FilePoolOptions {
  readonly root: string;
  /** For the totals of each file. */
  readonly folder: string;
  readonly concurrency: number;
  readonly environment: NodeJS.ProcessEnv;
  /** Given to node before the file, such as `--test-name-pattern=…`. */
  readonly nodeArgs: readonly string[];
  /** Ends the processes; the call rejects with its reason. */
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

/** Limit of one test; limits of whole files are in deadline.ts. */
const TEST_LIMIT_MS = 300_000;
const moduleUrl = (name: string) => new URL(name, import.meta.url).href;

let serial = 0;

async function runFile(file: string, options: FilePoolOptions): Promise<FileResult> {
  const { root, folder, environment, nodeArgs, signal, print } = options;
  const countsFile = join(folder, `counts-${serial++}.json`);
  const args = [
    '--disable-warning=ExperimentalWarning',
    `--import=${moduleUrl('deadline.ts')}`,
    `--test-timeout=${TEST_LIMIT_MS}`,
    `--test-reporter=${moduleUrl('file-report.ts')}`,
    '--test-reporter-destination=stdout',
    `--test-reporter=${moduleUrl('file-counts.ts')}`,
    `--test-reporter-destination=${countsFile}`,
    ...nodeArgs,
    file,
  ];
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  // Not `close`: a process that the test left running may hold the pipes open.
  const [code, killedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  signal.removeEventListener('abort', stop);
  child.stdout.destroy();
  child.stderr.destroy();
  const seconds = (performance.now() - startedAt) / 1000;
  const counts = await readFile(countsFile, 'utf8').then(
    (text) => (text === '' ? undefined : (JSON.parse(text) as TestCounts)),
    () => undefined,
  );
  const passed = code === 0 && counts !== undefined;
  const end = passed ? '' : ` FAILED (${killedBy ?? `exit code ${code}`})`;
  print(`${file} ${seconds.toFixed(1)} s${end}\n${Buffer.concat(output)}`);
  return { file, seconds, passed, counts };
}

/** Runs the files in this order, `concurrency` at once. */
export async function runFiles(files: readonly string[], options: FilePoolOptions): Promise<FileResult[]> {
  const left = [...files];
  const results: FileResult[] = [];
  const worker = async () => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      options.signal.throwIfAborted();
      results.push(await runFile(file, options));
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));
  options.signal.throwIfAborted();
  return results;
}
