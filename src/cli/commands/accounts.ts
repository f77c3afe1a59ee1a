/** wma accounts, hold, release. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { parseTimeAhead, setAction, type Terminal } from '../command.ts';
import { table } from '../output.ts';

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
  const accounts = program.command('accounts').summary('list the accounts and their holds');
  setAction(terminal, accounts, async ({ client, output }) => {
    const response = await client.request<{ items: readonly Account[] }>('GET', '/v1/accounts');
    output.show(response, ({ items }) =>
      table(
        ['ACCOUNT', 'NAME', 'PRODUCT', 'LAST CALLBACK', 'HOLD', 'CALLBACK URL'],
        items.map(({ account, name, product, lastCallbackAt, hold, callbackUrl }) => [
          account,
          name,
          product,
          lastCallbackAt ?? 'never',
          hold ? `${hold.reason}${hold.until ? ` until ${hold.until}` : ''}` : '',
          callbackUrl,
        ]),
      ),
    );
    return EXIT.ok;
  });

  const hold = program
    .command('hold')
    .summary('hold an account')
    .description('Media items of the account wait and spend no attempts; callbacks are still accepted.')
    .argument('<account>', 'appId or name')
    .requiredOption(
      '--reason <text>',
      'displayed together with the hold, and kept in the audit log: no personal data',
    )
    .option('--for <duration>', 'such as 90m or 24h; default: until the account is released')
    .option('--until <time>', 'instead of --for', parseTimeAhead);
  setAction(terminal, hold, async ({ client, output }, [account]) => {
    const { reason, for: duration, until } = hold.opts();
    if (duration !== undefined && until !== undefined)
      throw new CliError('Specify either --for or --until.', EXIT.usage);
    const body = { reason, for: duration, until };
    const held = await client.request<Account>('PUT', pathOf(account!), { body });
    output.show(held, () => `${held.account} is held until ${held.hold?.until ?? 'it is released'}.`);
    return EXIT.ok;
  });

  const release = program
    .command('release')
    .summary('release the hold of an account or of the store')
    .description(
      'After a hold by hand, the account continues at once. After an automatic hold, one media item is dispatched now as a probe. With --store, the store is probed now, and archiving continues when the probe succeeds.',
    )
    .argument('[account]', 'appId or name')
    .option('--store', 'the hold of the store instead of an account');
  setAction(terminal, release, async ({ client, output }, [account]) => {
    const { store } = release.opts();
    if ((account === undefined) === !store)
      throw new CliError('Specify either an account or --store.', EXIT.usage);
    if (store) {
      const state = await client.request<Store>('DELETE', '/v1/store/hold');
      output.show(state, ({ hold }) =>
        hold ? `The store is probed now. Its last failure: ${hold.message}` : 'The store is not held.',
      );
      return EXIT.ok;
    }
    const released = await client.request<Account>('DELETE', pathOf(account!));
    output.show(released, ({ hold }) =>
      hold
        ? `${released.account} is probed with one media item now: ${hold.reason}`
        : `${released.account} continues.`,
    );
    return EXIT.ok;
  });
}
