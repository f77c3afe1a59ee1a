/** Runs the command line in the test's process, or as a process of its own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../src/cli/program.ts';
import { clientSettings } from '../../src/config/client-settings.ts';

const WMA = fileURLToPath(new URL('../../bin/wma.js', import.meta.url));
const LIMIT_MS = 60_000;

export interface WmaResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Parses stdout as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: every test asserts what it expects
  json(): any;
}

export interface Settings {
  readonly env?: Record<string, string>;
  readonly input?: string;
  /** The working directory, whose `.env` it reads. */
  readonly folder?: string;
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs a command line without a process: starting one takes half a second of CPU. */
export async function runWma(
  args: readonly string[],
  settings: Pick<Settings, 'env' | 'input'> = {},
): Promise<WmaResult> {
  const texts = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof texts) =>
    new PassThrough().setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    }) as unknown as NodeJS.WriteStream;
  const codes: number[] = [];
  const readFile = (path: string) => {
    if (path === '.env') throw Object.assign(new Error('none'), { code: 'ENOENT' });
    return readFileSync(path, 'utf8');
  };
  await runCli(
    {
      settings: () => clientSettings(settings.env ?? {}, readFile),
      stdin: Readable.from([Buffer.from(settings.input ?? '')]) as unknown as NodeJS.ReadStream,
      stdout: stream('stdout'),
      stderr: stream('stderr'),
      exit: (code) => codes.push(code),
      onInterrupt: () => undefined,
    },
    args,
  );
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(codes.length, 1, 'exits once');
  return { code: codes[0]!, ...texts, json: () => JSON.parse(texts.stdout) };
}

/** Runs `wma` as a process to its end, without the environment of the test. */
export async function spawnWma(args: readonly string[], settings: Settings = {}): Promise<WmaResult> {
  const child = spawn(process.execPath, [WMA, ...args], {
    cwd: settings.folder ?? tmpdir(),
    env: { PATH: process.env.PATH ?? '', ...settings.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  settings.onStart?.(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined).end(settings.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr, json: () => JSON.parse(stdout) };
}
