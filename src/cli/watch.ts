/** Watches a long task of the server until it ends. The task goes on whether or not it is watched. */
import { setTimeout as wait } from 'node:timers/promises';
import { CliError, EXIT } from './client.ts';
import type { Context } from './command.ts';

const POLL_MS = 1_000;
/** How many polls in a row may fail: the server may be restarting. */
const FAILURE_LIMIT = 60;

export interface Watched<T> {
  /** Polled until `hasEnded`. */
  readonly path: string;
  readonly hasEnded: (state: T) => boolean;
  readonly progress: (state: T) => { done: number; total?: number | undefined; words: string };
  /** What to type to watch it again. */
  readonly again: string;
}

/** Resolves with the last state. Ctrl-C ends the watching, not the task, and prints how to watch it again. */
export async function pollUntilEnded<T>(
  { client, output, signal }: Context,
  watched: Watched<T>,
): Promise<T> {
  let failures = 0;
  for (;;) {
    try {
      const state = await client.request<T>('GET', watched.path);
      failures = 0;
      if (watched.hasEnded(state)) {
        output.endProgress();
        return state;
      }
      const { done, total, words } = watched.progress(state);
      output.progress(done, total, words);
      await wait(POLL_MS, undefined, { signal });
    } catch (error) {
      if (signal.aborted) {
        throw new CliError(
          `It goes on without being watched. Watch it again: ${watched.again}`,
          EXIT.interrupted,
        );
      }
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unavailable || ++failures > FAILURE_LIMIT)
        throw error;
      output.progress(0, undefined, 'the server does not respond; waiting for it');
      await wait(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
