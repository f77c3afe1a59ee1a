/** Programs of this package as processes of their own, in a folder of their own, gone when the test is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const RUN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const WAIT_MS = 100_000;
const LOOK_MS = 50;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Program {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Waits until stdout or stderr match; throws with the whole output when the program ends first. */
  untilOutput(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal and waits for the end; SIGKILL by default. */
  end(signal?: NodeJS.Signals): Promise<Exit>;
  /** Waits for the end; throws after 100 s with the whole output. */
  readonly exit: () => Promise<Exit>;
}

/** A folder that is removed after the test; with `dotEnv`, a `.env` in it. */
export async function folderForTest(t: TestContext, dotEnv?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'end-to-end-'));
  t.after(() => t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 })));
  if (dotEnv !== undefined) await writeFile(join(folder, '.env'), dotEnv);
  return folder;
}

/** `group`: leads a process group, so that it and its children can be killed as one. */
export function startProgram(
  t: TestContext,
  command: {
    file: string;
    folder: string;
    args?: readonly string[];
    env?: Record<string, string>;
    group?: boolean;
  },
): Program {
  const { file, folder, args = [], env = {}, group = false } = command;
  const child = spawn(process.execPath, [RUN, file, ...args], {
    cwd: folder,
    env: { ...process.env, DATA_DIR: join(folder, 'data'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: group,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed: Promise<Exit> = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const story = () => `${file} said:\n${stdout}\n${stderr}`;

  const within = async <T>(work: Promise<T>, what: string): Promise<T> => {
    const ended = new AbortController();
    const late = wait(WAIT_MS, undefined, { signal: ended.signal }).then(() => {
      throw new Error(`${what} took longer than ${WAIT_MS / 1000} s; ${story()}`);
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([work, late]);
    } finally {
      ended.abort();
    }
  };

  function send(signal: NodeJS.Signals): void {
    if (group && child.pid) process.kill(-child.pid, signal);
    else child.kill(signal);
  }

  t.after(async () => {
    if (!hasEnded()) send('SIGKILL');
    await closed;
  });

  const exit = () => within(closed, `the end of ${file}`);
  return {
    pid: child.pid!,
    stdout: () => stdout,
    stderr: () => stderr,
    exit,
    untilOutput: async (pattern) => {
      const deadline = performance.now() + WAIT_MS;
      for (;;) {
        const found = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (found) return found;
        if (hasEnded() || performance.now() > deadline) throw new Error(`never ${pattern}; ${story()}`);
        await wait(LOOK_MS);
      }
    },
    end: async (signal = 'SIGKILL') => {
      send(signal);
      return exit();
    },
  };
}

/** Polls every 50 ms until the result is neither undefined nor false. Errors are retried; the last is the cause. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  limitMs = WAIT_MS,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline)
      throw new Error(`not within ${limitMs / 1000} s: ${what}`, { cause: last });
    await wait(LOOK_MS);
  }
}

export const untilReady = (url: string): Promise<true> =>
  until(`${url} is ready`, async () => (await fetch(`${url}/readyz`)).ok);

/** Whether a process runs; one that has ended and waits to be buried does not. Linux alone. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return status !== '' && !/\) [ZX] /.test(status);
}
