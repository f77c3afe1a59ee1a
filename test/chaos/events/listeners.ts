/** The five listeners as processes: three receivers of webhooks and two readers of the feed. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../../machine/server.ts';
import type { Fixture } from '../fixture.ts';
import { createProcesses, type Processes } from '../processes.ts';
import type { ListenerSettings } from './arrivals.ts';
import { callApi } from './load.ts';
import { type Listener, type ListenerKill, RECEIVERS } from './plan.ts';

const PROGRAMS: Readonly<Record<Listener, string>> = {
  'receiver-1': 'test/chaos/events/receiver.ts',
  'receiver-2': 'test/chaos/events/receiver.ts',
  'receiver-3': 'test/chaos/events/receiver.ts',
  'stream-reader': 'test/chaos/events/stream-reader.ts',
  'poll-reader': 'test/chaos/events/poll-reader.ts',
};
const START_LIMIT_MS = 60_000;

export interface Listeners {
  readonly processes: Processes<Listener>;
  /** Kills each at its time, and starts it again. Resolves with how often each was killed. */
  play(kills: readonly ListenerKill[], startedAt: number): Promise<Readonly<Record<string, number>>>;
}

async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (performance.now() > deadline) throw new Error('a receiver does not listen', { cause: error });
      await wait(100);
    } finally {
      socket.destroy();
    }
  }
}

/** Creates the endpoints, starts the processes, and resolves when the receivers listen. */
export async function startListeners(fixture: Fixture): Promise<Listeners> {
  const receivers: Record<string, { port: number; secret: string }> = {};
  for (const who of RECEIVERS) {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/hook`;
    const { secret } = await callApi<{ secret: string }>(fixture, 'POST', '/v1/webhooks', { url });
    receivers[who] = { port, secret };
  }
  const { folder, url, apiKey } = fixture;
  const settings: ListenerSettings = { folder, url, apiKey, receivers };
  const processes = createProcesses<Listener>({
    programs: PROGRAMS,
    env: { CHAOS_LISTENERS: JSON.stringify(settings) },
    folder,
  });
  fixture.closeFirst(() => processes.stop());
  for (const who of processes.roles) processes.start(who);
  await Promise.all(Object.values(receivers).map(({ port }) => untilListening(port)));

  return {
    processes,
    play: async (kills, startedAt) => {
      const count: Record<string, number> = {};
      const busy = new Map<Listener, Promise<void>>();
      await Promise.all(
        kills.map(async ({ atMs, who, forMs }) => {
          await wait(Math.max(0, startedAt + atMs - performance.now()));
          // Two kills of one process wait for each other.
          const turn = (busy.get(who) ?? Promise.resolve()).then(() => processes.kill(who, forMs));
          busy.set(who, turn);
          await turn;
          count[`kill -9 ${who}`] = (count[`kill -9 ${who}`] ?? 0) + 1;
        }),
      );
      return count;
    },
  };
}
