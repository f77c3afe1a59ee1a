/** Processes of the benchmark, on separate cores where the machine allows it, so that what is measured shares none. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

export type Side = 'client' | 'servers';

export interface Child {
  readonly pid: number;
  /** Calls one of the functions that the program gave to answerParent. */
  call<T>(what: string, argument?: unknown): Promise<T>;
  stop(): Promise<void>;
}

// Read before this process is pinned: afterwards it sees fewer.
const CORES = availableParallelism();
const STOP_LIMIT_MS = 5_000;

/** Whether cores can be assigned, and why not. */
export const pinning: { readonly on: boolean; readonly why: string } = (() => {
  if (CORES < 2) return { on: false, why: 'one core only' };
  try {
    execFileSync('taskset', ['-c', '0', 'true'], { stdio: 'ignore' });
    return { on: true, why: 'client on core 0, servers on the others' };
  } catch {
    return { on: false, why: 'no taskset on this machine: client and servers share all cores' };
  }
})();

/** Program and arguments that run a command on the cores of a side. */
export function commandOnCores(side: Side, program: string, args: readonly string[]): [string, string[]] {
  if (!pinning.on) return [program, [...args]];
  const cores = side === 'client' ? '0' : `1-${CORES - 1}`;
  return ['taskset', ['-c', cores, program, ...args]];
}

/** Pins this process, and the processes that it starts without a side (Postgres, Redis), to the cores of the servers. */
export function pinToServerCores(): void {
  if (!pinning.on) return;
  const cores = `1-${CORES - 1}`;
  execFileSync('taskset', ['-c', '-p', cores, String(process.pid)], { stdio: 'ignore' });
}

/** Starts a TypeScript program of this folder that calls answerParent; resolves when it is ready. */
export async function startChild(
  file: string,
  options: {
    side: Side;
    args?: readonly string[];
    env?: Record<string, string>;
    nodeArgs?: readonly string[];
  },
): Promise<Child> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const args = ['--disable-warning=ExperimentalWarning', ...(options.nodeArgs ?? []), path];
  const [program, all] = commandOnCores(options.side, process.execPath, [...args, ...(options.args ?? [])]);
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  const child = spawn(program, all, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...options.env },
  });
  return await wrap(child, file);
}

async function wrap(child: ChildProcess, name: string): Promise<Child> {
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let last = 0;
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message: { ready?: true; id?: number; result?: unknown; error?: string }) => {
      if (message.ready) return resolve();
      const one = waiting.get(message.id ?? 0);
      waiting.delete(message.id ?? 0);
      if (message.error === undefined) one?.resolve(message.result);
      else one?.reject(new Error(`${name}: ${message.error}`));
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const error = new Error(`${name} ended (${code ?? signal})`);
      reject(error);
      for (const one of waiting.values()) one.reject(error);
    });
  });
  await ready;
  return {
    pid: child.pid!,
    call: <T>(ask: string, argument?: unknown) =>
      new Promise<T>((resolve, reject) => {
        const id = ++last;
        waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
        child.send({ id, ask, argument });
      }),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.disconnect();
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await exit;
      clearTimeout(timer);
    },
  };
}
