/** A throwaway server process on 127.0.0.1 that a test may stop, kill and start again on the same port. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

export const run = promisify(execFile);

export interface TestServer {
  readonly url: string;
  /** Starts on the data it left behind; resolves once it responds. */
  start(): Promise<void>;
  /** Asks it to close and waits until it has; killed after 20 s. */
  stop(): Promise<void>;
  /** As after a crash of the process: nothing is flushed or closed. */
  kill(): Promise<void>;
}

/** `release` removes what is not in the server's folder, which its maker removes. */
export interface ThrowawayServer extends TestServer {
  release(): Promise<void>;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Default SIGKILL. */
  readonly crashSignal?: NodeJS.Signals;
  /** How it is killed where the process is only a client of the real one (docker). */
  readonly kill?: () => Promise<unknown>;
}

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 20_000;

/** A port below the range that outgoing connections and `listen(0)` use, so that a restart finds it free again. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = randomInt(20_000, 32_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
  throw new Error('no free port on 127.0.0.1 between 20000 and 32000');
}

/** `responds` is called every 50 ms until it resolves; its last error is in the message if it never does. */
export function createTestServer(
  url: string,
  command: Command,
  responds: () => Promise<unknown>,
): TestServer {
  let child: ChildProcess | undefined;
  let output = '';

  async function ready(process: ChildProcess): Promise<void> {
    const deadline = performance.now() + START_LIMIT_MS;
    for (;;) {
      if (ended(process)) throw new Error(`${command.program} ended at start:\n${output}`);
      try {
        await responds();
        return;
      } catch (error) {
        if (performance.now() > deadline) {
          throw new Error(`${command.program} does not respond: ${error}\n${output}`, { cause: error });
        }
        await wait(50);
      }
    }
  }

  async function end(send: (process: ChildProcess) => unknown): Promise<void> {
    const process = child;
    child = undefined;
    if (!process || ended(process)) return;
    const exit = once(process, 'exit');
    await send(process);
    const timer = setTimeout(() => process.kill('SIGKILL'), STOP_LIMIT_MS);
    await exit;
    clearTimeout(timer);
  }

  return {
    url,
    start: async () => {
      if (child && !ended(child)) return;
      const { program, args, kill: _kill, crashSignal: _signal, ...options } = command;
      output = '';
      const process = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
      child = process;
      const keepTail = (chunk: Buffer) => {
        output = (output + chunk).slice(-4000);
      };
      process.stdout.on('data', keepTail);
      process.stderr.on('data', keepTail);
      process.on('error', (error) => keepTail(Buffer.from(`${error.message}\n`)));
      await ready(process);
    },
    // SIGINT is Postgres' fast shutdown, and Redis takes it as SIGTERM.
    stop: () => end((process) => process.kill('SIGINT')),
    kill: () => end((process) => command.kill?.() ?? process.kill(command.crashSignal ?? 'SIGKILL')),
  };
}

function ended(process: ChildProcess): boolean {
  return process.pid === undefined || process.exitCode !== null || process.signalCode !== null;
}
