/** Watches a long task of the server until it ends. The task also continues when no command watches it. */
import { setTimeout as wait } from 'node:timers/promises';
import { CliError, EXIT } from './client.ts';
import type { Context } from './command.ts';

const POLL_MS = 1_000;
/** How many consecutive polls may fail, because the server may be restarting. */
const FAILURE_LIMIT = 60;

export interface Watched<T> {
  /** The path that is polled until `hasEnded` returns true. */
  readonly path: string;
  readonly hasEnded: (state: T) => boolean;
  readonly progress: (state: T) => { done: number; total?: number | undefined; words: string };
  /** The command that watches the task again. */
  readonly again: string;
}

/**
 * Polls the task and resolves with its last state. Ctrl-C ends only the watching, not the task, and prints how to watch
 * the task again.
 */
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
        throw new CliError(`The server continues. Watch it again: ${watched.again}`, EXIT.interrupted);
      }
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unavailable || ++failures > FAILURE_LIMIT)
        throw error;
      output.progress(0, undefined, 'the server does not respond; waiting for it');
      await wait(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
