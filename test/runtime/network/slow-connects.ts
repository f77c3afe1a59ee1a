/** A server behind a long round trip, or one whose packets are lost, simulated by a full queue of connections. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const BACKLOG = 32;
const DEADLINE_MS = 20_000;

export interface FarListener {
  readonly port: number;
  /** Resolves once a connection has begun with such bytes; rejects after 20 s. */
  seen(pattern: RegExp): Promise<void>;
  close(): void;
}

export async function openFarListener(host: string, port: number, blockedMs: number): Promise<FarListener> {
  const program = fileURLToPath(new URL('slow-listener.ts', import.meta.url));
  const child = spawn(process.execPath, [program, host, String(port), String(blockedMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const [first] = await once(lines, 'line');
  const heads: string[] = [];
  lines.setMaxListeners(100).on('line', (line: string) => heads.push(JSON.parse(line)));
  const sockets: Socket[] = [];
  if (blockedMs > 0) {
    // One more than the queue holds; from then on the kernel drops each SYN.
    for (let count = 0; count <= BACKLOG; count++)
      sockets.push(connect(Number(first), host).on('error', () => {}));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  }
  return {
    port: Number(first),
    seen: async (pattern) => {
      const deadline = AbortSignal.timeout(DEADLINE_MS);
      while (!heads.some((head) => pattern.test(head))) await once(lines, 'line', { signal: deadline });
    },
    close: () => {
      child.kill('SIGKILL');
      for (const socket of sockets) socket.destroy();
    },
  };
}
