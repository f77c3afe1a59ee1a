/** Starts the service in a process of its own, and calls its API over HTTP. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { StartError } from '../app/run.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Shutdown } from '../runtime/shutdown.ts';

export interface DemoService {
  readonly url: string;
  /** Sends a GET with the demo's key, with a timeout of 15 s; resolves with the JSON. Rejects for any status but 2xx. */
  get<T>(path: string): Promise<T>;
  /** Resolves with the value of a counter in /metrics. */
  counter(name: string): Promise<number>;
  /** Rejects when the service exits. */
  readonly ended: Promise<never>;
}

const PROGRAM = fileURLToPath(new URL('../main.ts', import.meta.url));
const START_MS = 55_000;
const POLL_MS = 200;
const STOP_MS = 12_000;
const RESPONSE_MS = 15_000;

/** Returns a free port. Where another program takes it first, the service fails to start and reports it. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts the service and resolves when it is ready; `shutdown` stops it. */
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
    // Logs go to stderr; the demo prints in place of the service's stdout. With ipc the service exits when the demo does.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const exited = once(child, 'exit');
  const ended = exited.then(([code, reason]): never => {
    throw new StartError(`The service exited (${code ?? reason}).`);
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

  const request = (path: string, timeout: AbortSignal): Promise<Response> =>
    fetch(`${url}${path}`, { headers: { authorization: `Bearer ${key}` }, signal: timeout });

  async function get(path: string): Promise<Response> {
    const response = await request(path, AbortSignal.timeout(RESPONSE_MS));
    if (!response.ok) throw new Error(`GET ${path.split('?')[0]} returned ${response.status}`);
    return response;
  }

  async function ready(): Promise<void> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    while (!hasEnded()) {
      signal.throwIfAborted();
      if (deadline.aborted) {
        throw new StartError(
          `The service was not ready within ${START_MS / 1000} s: this machine is too busy.`,
        );
      }
      const response = await request('/readyz', deadline).catch(() => undefined);
      await response?.body?.cancel();
      if (response?.ok) return;
      await clock.sleep(POLL_MS, signal);
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
      if (value === undefined) throw new Error(`/metrics has no ${name}`);
      return Number(value);
    },
  };
}
