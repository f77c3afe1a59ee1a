/**
 * A long task of the server that a command starts. The command can watch it, leave it running, or stop it by its id.
 */
import { EXIT } from './client.ts';
import type { Context } from './command.ts';
import { pollUntilEnded, type Watched } from './watch.ts';

export interface ServerTask<T> extends Pick<Watched<T>, 'hasEnded' | 'progress'> {
  /** The name of the command that starts the task: `wma <command> --watch <id>`. */
  readonly command: string;
  readonly path: (id: string) => string;
  readonly text: (state: T) => string;
}

export function createServerTask<T>({ command, path, text, hasEnded, progress }: ServerTask<T>) {
  const watchCommand = (id: string) => `wma ${command} --watch ${id}`;
  return {
    /** Watches the task until it ends. Resolves with the last state. */
    watch: (context: Context, id: string): Promise<T> =>
      pollUntilEnded<T>(context, {
        path: path(id),
        hasEnded,
        progress,
        again: `${watchCommand(id)}; stop it: wma ${command} --stop ${id}`,
      }),
    /** Prints how to watch the task later, for --no-watch. */
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
