/** wma acknowledge. */
import { Argument, type Command } from 'commander';
import { EXIT } from '../client.ts';
import { setAction, type Terminal } from '../command.ts';
import { table } from '../output.ts';

interface Acknowledged {
  readonly items: readonly { readonly account: string; readonly count: number; readonly until: string }[];
}

export function addAcknowledgeCommand(program: Command, terminal: Terminal): void {
  const acknowledge = program
    .command('acknowledge')
    .summary('mark expired items or dead letters as seen, up to now')
    .description(
      'The checks lost and dead_letters then count only media items that close later. The items stay as they are, and can still be redriven.',
    )
    .addArgument(new Argument('<status>', 'which media items').choices(['expired', 'dead']))
    .option('--account <account>', 'appId or name; default: all accounts')
    .option('--reason <text>', 'kept in the audit log: no personal data');
  setAction(terminal, acknowledge, async ({ client, output }, [status]) => {
    const body = { status, ...acknowledge.opts() };
    const done = await client.request<Acknowledged>('POST', '/v1/acknowledgements', { body });
    output.show(done, ({ items }) =>
      items.length === 0
        ? 'Nothing to acknowledge.'
        : table(
            ['ACCOUNT', 'ACKNOWLEDGED', 'UNTIL'],
            items.map(({ account, count, until }) => [account, count, until]),
          ),
    );
    return EXIT.ok;
  });
}
