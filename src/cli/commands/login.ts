/** `wma login`: a link that signs a browser in. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { type Context, setAction, type Terminal } from '../command.ts';

interface LoginLink {
  readonly url: string;
  readonly expiresAt: string;
}

/** How long a server that is starting is waited for. A first start takes a few seconds. */
const START_MS = 60_000;
const POLL_MS = 1_000;

/** Resolves with a link. While the server is starting it waits, for a minute at most. */
async function requestLink({ client, output, signal }: Context): Promise<LoginLink> {
  const endsAt = performance.now() + START_MS;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await client.request<LoginLink>('POST', '/v1/login-links');
    } catch (error) {
      const isStarting = error instanceof CliError && error.problem?.code === 'starting';
      if (!isStarting || performance.now() > endsAt) throw error;
    }
    if (isFirst) output.info('The server is starting …');
    await wait(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

export function addLoginCommand(program: Command, terminal: Terminal): void {
  const login = program
    .command('login')
    .summary('create a link that signs a browser in')
    .description(
      'Prints a link that signs a browser in to the dashboard with the rights of the key. It works once, for 15 minutes; ' +
        'the first person to open it is signed in. Requires a key with the scope admin.',
    );
  setAction(terminal, login, async (context) => {
    const { client, output } = context;
    const link = await requestLink(context);
    // The link uses the address by which this command reached the server.
    const { pathname, search } = new URL(link.url);
    const shown = { ...link, url: `${client.url}${pathname}${search}` };
    output.show(shown, ({ url }) => url);
    output.info('It works once, for 15 minutes.');
    return EXIT.ok;
  });
}
