/** wma accounts, hold, release. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { parseTimeAhead, runs, type Terminal } from '../command.ts';
import { table } from '../screen.ts';

interface Account {
  readonly account: string;
  readonly name?: string;
  readonly product: string;
  readonly callbackUrl: string;
  readonly lastCallbackAt?: string;
  readonly hold: { readonly reason: string; readonly until?: string } | null;
}

interface Store {
  readonly hold: { readonly message: string } | null;
}

const pathOf = (account: string) => `/v1/accounts/${encodeURIComponent(account)}/hold`;

export function addAccountCommands(program: Command, terminal: Terminal): void {
  const accounts = program.command('accounts').summary('the accounts, and which of them wait');
  runs(terminal, accounts, async ({ client, output: screen }) => {
    const answer = await client.request<{ items: readonly Account[] }>('GET', '/v1/accounts');
    screen.show(answer, ({ items }) =>
      table(
        ['ACCOUNT', 'NAME', 'PRODUCT', 'LAST CALLBACK', 'HOLD', 'CALLBACK URL'],
        items.map((one) => [
          one.account,
          one.name,
          one.product,
          one.lastCallbackAt ?? 'never',
          one.hold ? `${one.hold.reason}${one.hold.until ? ` until ${one.hold.until}` : ''}` : '',
          one.callbackUrl,
        ]),
      ),
    );
    return EXIT.ok;
  });

  const hold = program
    .command('hold')
    .summary('let an account wait')
    .description('Media of the account wait and lose no tries; callbacks are taken as ever.')
    .argument('<account>', 'appId or name')
    .requiredOption('--reason <text>', 'shown to whoever wonders why')
    .option('--until <time>', 'default: until it is released', parseTimeAhead);
  runs(terminal, hold, async ({ client, output: screen }, [account]) => {
    const { reason, until } = hold.opts();
    const held = await client.request<Account>('PUT', pathOf(account!), { body: { reason, until } });
    screen.show(held, () => `${held.account} is held${until ? ` until ${until}` : ' until it is released'}.`);
    return EXIT.ok;
  });

  const release = program
    .command('release')
    .summary('let an account, or all archiving, go on')
    .description(
      'An account held by hand goes on at once; held by itself it tries one media now. The store is probed now, and archiving goes on when it takes the probe.',
    )
    .argument('[account]', 'appId or name')
    .option('--store', 'the hold of the store instead of an account');
  runs(terminal, release, async ({ client, output: screen }, [account]) => {
    const { store } = release.opts();
    if ((account === undefined) === !store)
      throw new CliError('Name an account, or --store, not both.', EXIT.usage);
    if (store) {
      const seen = await client.request<Store>('DELETE', '/v1/store/hold');
      screen.show(seen, ({ hold }) =>
        hold ? `The store is probed now. What it met last: ${hold.message}` : 'The store is not held.',
      );
      return EXIT.ok;
    }
    const released = await client.request<Account>('DELETE', pathOf(account!));
    screen.show(released, ({ hold }) =>
      hold ? `${released.account} tries one media now: ${hold.reason}` : `${released.account} goes on.`,
    );
    return EXIT.ok;
  });
}
