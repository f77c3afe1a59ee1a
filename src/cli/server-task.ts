/** What a command asks the server for and need not wait for: watched, left to itself, or stopped by its id. */
import { EXIT } from './client.ts';
import type { Context } from './command.ts';
import { pollUntilEnded, type Watched } from './watch.ts';

export interface ServerTask<T> extends Pick<Watched<T>, 'hasEnded' | 'progress'> {
  /** The command that asks for it: `wma <command> --watch <id>`. */
  readonly command: string;
  readonly path: (id: string) => string;
  readonly text: (state: T) => string;
}

export function createServerTask<T>({ command, path, text, hasEnded, progress }: ServerTask<T>) {
  const again = (id: string) => `wma ${command} --watch ${id}`;
  return {
    /** Its last state. */
    watch: (context: Context, id: string): Promise<T> =>
      pollUntilEnded<T>(context, {
        path: path(id),
        hasEnded,
        progress,
        again: `${again(id)}; stop it: wma ${command} --stop ${id}`,
      }),
    /** For --no-watch. */
    leave: ({ output: screen }: Context, id: string): number => {
      screen.show({ id }, () => `${id}\nWatch it: ${again(id)}`);
      return EXIT.ok;
    },
    stop: async ({ client, output: screen }: Context, id: string): Promise<number> => {
      screen.show(await client.request<T>('DELETE', path(id)), text);
      return EXIT.ok;
    },
  };
}
