/** The service under show: the real program in a process of its own, spoken to over HTTP alone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { StartError } from '../app/run.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Shutdown } from '../runtime/shutdown.ts';

export interface DemoService {
  readonly url: string;
  /** GET with the demo's key, answered within 15 s; parsed JSON. Throws at anything but 2xx. */
  get<T>(path: string): Promise<T>;
  /** The value of a counter in /metrics. */
  counter(name: string): Promise<number>;
  /** Rejects when the program ends by itself. */
  readonly ended: Promise<never>;
}

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url));
const START_MS = 55_000;
const LOOK_MS = 200;
const STOP_MS = 12_000;
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

/** Starts it and waits until it is ready; ends with `shutdown`. */
export async function startService(
  options: {
    environment: NodeJS.ProcessEnv;
    url: string;
    key: string;
    clock: Clock;
    shutdown: Pick<Shutdown, 'step'>;
  },
  signal: AbortSignal,
): Promise<DemoService> {
  const { url, key, clock } = options;
  const child = spawn(process.execPath, [PROGRAM], {
    env: options.environment,
    // Logs stay on stderr; what the program prints for people is the demo's to say. It leaves when we do (ipc).
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const exited = once(child, 'exit');
  const ended = exited.then(([code, reason]): never => {
    throw new StartError(`The service under show ended by itself (${code ?? reason}).`);
  });
  ended.catch(() => undefined);

  options.shutdown.step(
    'service',
    async () => {
      if (hasEnded()) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(timer);
    },
    STOP_MS + 3_000,
  );

  const answer = (path: string, within: AbortSignal): Promise<Response> =>
    fetch(`${url}${path}`, { headers: { authorization: `Bearer ${key}` }, signal: within });

  async function get(path: string): Promise<Response> {
    const response = await answer(path, AbortSignal.timeout(ANSWER_MS));
    if (!response.ok) throw new Error(`GET ${path.split('?')[0]} was answered ${response.status}`);
    return response;
  }

  async function ready(): Promise<void> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    while (!hasEnded()) {
      signal.throwIfAborted();
      if (deadline.aborted) {
        throw new StartError(
          `The service under show was not ready within ${START_MS / 1000} s: this machine is too busy.`,
        );
      }
      const response = await answer('/readyz', deadline).catch(() => undefined);
      await response?.body?.cancel();
      if (response?.ok) return;
      await clock.sleep(LOOK_MS, signal);
    }
    return ended;
  }

  await ready();
  return {
    url,
    ended,
    get: async <T>(path: string) => (await (await get(path)).json()) as T,
    counter: async (name) => {
      const [, value] = new RegExp(`^${name} (\\d+)$`, 'm').exec(await (await get('/metrics')).text()) ?? [];
      if (value === undefined) throw new Error(`/metrics knows no ${name}`);
      return Number(value);
    },
  };
}
