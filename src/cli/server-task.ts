/** A long task of the server that a command starts: it can be watched, left running, or stopped by its id. */
import { EXIT } from './client.ts';
import type { Context } from './command.ts';
import { pollUntilEnded, type Watched } from './watch.ts';

export interface ServerTask<T> extends Pick<Watched<T>, 'hasEnded' | 'progress'> {
  /** The command that starts it: `wma <command> --watch <id>`. */
  readonly command: string;
  readonly path: (id: string) => string;
  readonly text: (state: T) => string;
}

export function createServerTask<T>({ command, path, text, hasEnded, progress }: ServerTask<T>) {
  const watchCommand = (id: string) => `wma ${command} --watch ${id}`;
  return {
    /** Resolves with the last state. */
    watch: (context: Context, id: string): Promise<T> =>
      pollUntilEnded<T>(context, {
        path: path(id),
        hasEnded,
        progress,
        again: `${watchCommand(id)}; stop it: wma ${command} --stop ${id}`,
      }),
    /** For --no-watch. */
    leave: ({ output }: Context, id: string): number => {
      output.show({ id }, () => `${id}\nWatch it: ${watchCommand(id)}`);
      return EXIT.ok;
    },
    stop: async ({ client, output }: Context, id: string): Promise<number> => {
      output.show(await client.request<T>('DELETE', path(id)), text);
      return EXIT.ok;
    },
  };
}
