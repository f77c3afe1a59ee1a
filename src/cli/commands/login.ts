/** `wma login`: a link that signs a browser in. */
import type { Command } from 'commander';
import { EXIT } from '../client.ts';
import { setAction, type Terminal } from '../command.ts';

interface LoginLink {
  readonly url: string;
  readonly expiresAt: string;
}

export function addLoginCommand(program: Command, terminal: Terminal): void {
  const login = program
    .command('login')
    .summary('create a link that signs a browser in')
    .description(
      'Prints a link that signs a browser in to the dashboard with the rights of the key. It works once, for 15 minutes; ' +
        'the first person to open it is signed in. Requires a key with the scope admin.',
    );
  setAction(terminal, login, async ({ client, output }) => {
    const link = await client.request<LoginLink>('POST', '/v1/login-links');
    // The link uses the address by which this command reached the server.
    const { pathname, search } = new URL(link.url);
    const shown = { ...link, url: `${client.url}${pathname}${search}` };
    output.show(shown, ({ url }) => url);
    output.info('It works once, for 15 minutes.');
    return EXIT.ok;
  });
}
