/** `wma login`: a link that signs a browser in. */
import type { Command } from 'commander';
import { EXIT } from '../client.ts';
import { runs, type Terminal } from '../command.ts';

interface LoginLink {
  readonly url: string;
  readonly expiresAt: string;
}

export function addLoginCommand(program: Command, terminal: Terminal): void {
  const login = program
    .command('login')
    .summary('make a link that signs a browser in')
    .description(
      'Prints a link to the page that signs a browser in with what the key may do. It works once, for 15 minutes; ' +
        'whoever opens it first is signed in. Wants a key of the scope admin.',
    );
  runs(terminal, login, async ({ client, output: screen }) => {
    const link = await client.request<LoginLink>('POST', '/v1/login-links');
    // The server knows itself by the name it was called by; the reader's browser takes the same way.
    const { pathname, search } = new URL(link.url);
    const shown = { ...link, url: `${client.url}${pathname}${search}` };
    screen.show(shown, ({ url }) => url);
    screen.info('It works once, for 15 minutes.');
    return EXIT.ok;
  });
}
