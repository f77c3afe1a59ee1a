/** The service's processes: killed, frozen and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Role } from './script.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SUPERVISOR_MS = 1_000;
const UP_LIMIT_MS = 100_000;
const UP = /worker: started|sweeper: started/;
const STOP_LIMIT_MS = 20_000;

export interface ProcessesOptions<Name extends string> {
  /** The file of each role, relative to the project. */
  readonly programs: Partial<Record<Name, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
}

export interface Processes<Name extends string = Role> {
  readonly roles: readonly Name[];
  start(role: Name): void;
  /** SIGKILL; started again after `backMs`. Resolves when it has been started. */
  kill(role: Name, backMs: number): Promise<void>;
  freeze(role: Name, forMs: number): Promise<void>;
  /** SIGTERM to all; nothing is started again. */
  stop(): Promise<void>;
  /** Waits until the latest start has logged that it works (see untilReady for servers); at most 100 s. */
  untilUp(role: Name, signal: AbortSignal): Promise<void>;
  /** The output of a role so far, over all its starts. */
  log(role: Name): string;
  /** Ends that no action caused: `worker-1 ended with 1`. */
  readonly crashes: readonly string[];
}

/** Standard output and error of all starts go to one file per role: a pipe would lose the last output of a killed process. */
export function createProcesses<Name extends string = Role>(
  options: ProcessesOptions<Name>,
): Processes<Name> {
  const { programs, folder } = options;
  const logs = join(folder, 'logs');
  mkdirSync(logs, { recursive: true });
  const children = new Map<Name, ChildProcess>();
  /** Where in its log the latest start of a role begins. */
  const startedAt = new Map<Name, number>();
  const asked = new WeakSet<ChildProcess>();
  const crashes: string[] = [];
  let isOver = false;

  const logFile = (role: Name) => join(logs, `${role}.log`);
  const isRunning = (child: ChildProcess | undefined): child is ChildProcess =>
    child !== undefined && child.exitCode === null && child.signalCode === null;

  function start(role: Name): void {
    if (isOver || isRunning(children.get(role))) return;
    const out = openSync(logFile(role), 'a');
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(ROOT, programs[role]!)],
      {
        // No .env of the project is read there, and every role has a disk of its own.
        cwd: folder,
        env: { ...basics(), ...options.env, CHAOS_ROLE: role, DATA_DIR: join(folder, `data-${role}`) },
        stdio: ['ignore', out, out],
      },
    );
    children.set(role, child);
    startedAt.set(role, fstatSync(out).size);
    closeSync(out);
    child.once('exit', (code, signal) => {
      if (isOver || asked.has(child)) return;
      crashes.push(`${role} ended with ${code ?? signal}`);
      setTimeout(() => start(role), SUPERVISOR_MS).unref();
    });
  }

  async function end(role: Name, signal: NodeJS.Signals): Promise<void> {
    const child = children.get(role);
    if (!isRunning(child)) return;
    asked.add(child);
    const ended = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await ended;
    clearTimeout(timer);
  }

  const log = (role: Name): string => {
    try {
      return readFileSync(logFile(role), 'utf8');
    } catch {
      return '';
    }
  };

  return {
    roles: Object.keys(programs) as Name[],
    start,
    kill: async (role, backMs) => {
      // The naive way has no sweepers.
      if (!programs[role]) return;
      await end(role, 'SIGKILL');
      await wait(backMs);
      start(role);
    },
    freeze: async (role, forMs) => {
      const child = children.get(role);
      if (!isRunning(child)) return;
      child.kill('SIGSTOP');
      await wait(forMs);
      child.kill('SIGCONT');
    },
    stop: async () => {
      isOver = true;
      for (const child of children.values()) if (isRunning(child)) child.kill('SIGCONT');
      await Promise.all([...children.keys()].map((role) => end(role, 'SIGTERM')));
    },
    log,
    untilUp: async (role, signal) => {
      if (!programs[role]) return;
      const deadline = performance.now() + UP_LIMIT_MS;
      while (!signal.aborted && performance.now() < deadline) {
        if (UP.test(readFrom(logFile(role), startedAt.get(role) ?? 0))) return;
        await wait(100);
      }
    },
    crashes: crashes,
  };
}

/** The first 64 KiB from there on. */
function readFrom(file: string, at: number): string {
  const descriptor = openSync(file, 'r');
  const bytes = Buffer.alloc(65_536);
  const length = readSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
  return bytes.toString('utf8', 0, length);
}

/** What the processes may see of this shell: not its DATABASE_URL or accounts. */
export function basics(): NodeJS.ProcessEnv {
  const passed = /^(PATH|HOME|USER|LANG|LC_\w+|TZ|TMPDIR|LD_\w+|NODE_COMPILE_CACHE)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => passed.test(name)));
}
