/** Watching something long that the server does: it goes on whether or not it is watched. */
import { setTimeout as wait } from 'node:timers/promises';
import { CliError, EXIT } from './client.ts';
import type { Context } from './command.ts';

const LOOK_MS = 1_000;
/** A server that restarts in the middle is waited for. */
const AWAY_LIMIT = 60;

export interface Watched<T> {
  /** Looked at until this says it has ended. */
  readonly path: string;
  readonly hasEnded: (state: T) => boolean;
  readonly progress: (state: T) => { done: number; total?: number | undefined; words: string };
  /** What to type to look at it again. */
  readonly again: string;
}

/** The last state. Ctrl-C ends the watching and says how to go on. */
export async function pollUntilEnded<T>(
  { client, output: screen, signal }: Context,
  watched: Watched<T>,
): Promise<T> {
  let away = 0;
  for (;;) {
    try {
      const state = await client.request<T>('GET', watched.path);
      away = 0;
      if (watched.hasEnded(state)) {
        screen.endProgress();
        return state;
      }
      const { done, total, words } = watched.progress(state);
      screen.progress(done, total, words);
      await wait(LOOK_MS, undefined, { signal });
    } catch (error) {
      if (signal.aborted) {
        throw new CliError(
          `It goes on without being watched. Look again: ${watched.again}`,
          EXIT.interrupted,
        );
      }
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unavailable || ++away > AWAY_LIMIT)
        throw error;
      screen.progress(0, undefined, 'the server does not answer; waiting for it');
      await wait(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
