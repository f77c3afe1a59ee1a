/** The program in one of its shapes, running and measured from outside. */
import { setTimeout as wait } from 'node:timers/promises';
import type { BenchServers } from '../bench-servers.ts';
import type { Child } from '../processes.ts';
import { environmentOf, type Shape } from '../shapes.ts';
import type { Usage } from './program.ts';

export interface Running {
  readonly url: string;
  readonly environment: Readonly<Record<string, string>>;
  usage(): Promise<Usage>;
  /** Collects garbage, so that the heap is what is reachable. */
  collect(): Promise<void>;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 180_000;

/** Starts the program of `npm start` and waits until it prints its address. */
export async function startProgram(
  shape: Shape,
  stage: Pick<BenchServers, 'children' | 'services' | 'ends'>,
  env: Record<string, string> = {},
): Promise<Running> {
  const environment = { ...(await environmentOf(shape, stage.services, stage.ends)), ...env };
  const child = await stage.children.start('./end-to-end/program.ts', { side: 'client', env: environment });
  const url = await addressOf(child);
  return {
    url,
    environment,
    usage: () => child.call<Usage>('usage'),
    collect: () => child.call<void>('collect'),
    stop: () => child.stop(),
  };
}

async function addressOf(child: Child): Promise<string> {
  const giveUpAt = performance.now() + START_LIMIT_MS;
  for (;;) {
    const printed = await child.call<string>('printed');
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
    if (url) return url;
    if (performance.now() > giveUpAt) throw new Error(`the program does not start: ${printed}`);
    await wait(50);
  }
}

/** Waits until the sink holds so many objects. */
export async function waitForObjects(sink: Child, count: number, signal: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + 180_000;
  for (;;) {
    signal.throwIfAborted();
    const stored = await sink.call<number>('count');
    if (stored >= count) return;
    if (performance.now() > giveUpAt)
      throw new Error(`${stored} of ${count} items were archived in three minutes`);
    await wait(20);
  }
}
