/** The service under show: the real program in a process of its own, spoken to over HTTP alone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';

export interface Service {
  readonly url: string;
  /** GET with the demo's key; parsed JSON. Throws at anything but 2xx. */
  get<T>(path: string, signal: AbortSignal): Promise<T>;
  /** The text of /metrics. */
  metrics(signal: AbortSignal): Promise<string>;
  /** Rejects when the program ends by itself. */
  readonly ended: Promise<never>;
  stop(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url));
const START_MS = 60_000;
const LOOK_MS = 200;
const STOP_MS = 30_000;
const ANSWER_MS = 15_000;

/** A port nobody listens on now; somebody else may take it first, then the program says so. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export async function startService(
  options: { environment: NodeJS.ProcessEnv; url: string; key: string; clock: Clock },
  signal: AbortSignal,
): Promise<Service> {
  const child = spawn(process.execPath, [PROGRAM], {
    env: options.environment,
    // Logs stay on stderr; what the program prints for people is the demo's to say. It leaves when we do (ipc).
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const ended = exited.then(([code, reason]): never => {
    throw new Error(`the service ended by itself (${code ?? reason})`);
  });
  ended.catch(() => undefined);

  async function answer(path: string, within: AbortSignal): Promise<Response> {
    return fetch(`${options.url}${path}`, {
      headers: { authorization: `Bearer ${options.key}` },
      signal: AbortSignal.any([within, AbortSignal.timeout(ANSWER_MS)]),
    });
  }

  async function ready(): Promise<void> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    for (;;) {
      deadline.throwIfAborted();
      const response = await answer('/readyz', deadline).catch(() => undefined);
      await response?.body?.cancel();
      if (response?.ok) return;
      await options.clock.sleep(LOOK_MS, deadline);
    }
  }

  async function stop(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(timer);
  }

  try {
    await Promise.race([ready(), ended]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: options.url,
    ended,
    stop,
    get: async <T>(path: string, within: AbortSignal) => {
      const response = await answer(path, within);
      if (!response.ok) throw new Error(`GET ${path.split('?')[0]} was answered ${response.status}`);
      return (await response.json()) as T;
    },
    metrics: async (within) => (await answer('/metrics', within)).text(),
  };
}
