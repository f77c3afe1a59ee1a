/** wma erase. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { confirm, setAction, type Terminal } from '../command.ts';
import { type Selection, selectionText } from '../selection.ts';
import { pollUntilEnded } from '../watch.ts';

interface Erasure {
  readonly id: string;
  readonly state: string;
  readonly done: number;
  readonly total: number;
  readonly problem?: string;
  readonly notFound?: readonly string[];
  readonly unfinished: readonly { readonly id: string }[];
}

export function addEraseCommand(program: Command, terminal: Terminal): void {
  const erase = program
    .command('erase')
    .summary('permanently erase media items, or all media items of a user')
    .description(
      'Deletes all versions of the objects and all personal data in the rows. An erased item is never downloaded ' +
        'again and cannot be restored.',
    )
    .argument('[ids...]', 'm_ and 32 hex digits')
    .requiredOption('--account <account>', 'the account of the media items')
    .option('--open-id <id>', 'all media items that this user has sent')
    .option('--reason <text>', 'stored permanently: do not include personal data')
    .option('--dry-run', 'only show what would be erased')
    .option('-y, --yes', 'do not ask for confirmation');
  setAction(terminal, erase, async (context, ids) => {
    const { client, output } = context;
    const { account, openId, reason, dryRun, yes } = erase.opts();
    if (ids.length > 0 === (openId !== undefined))
      throw new CliError('Specify either ids or --open-id.', EXIT.usage);
    const selected = openId === undefined ? { ids } : { openId };
    if (dryRun) {
      const body = { account, ...selected, dryRun };
      const selection = await client.request<Selection>('POST', '/v1/erasures', { body });
      output.show(selection, selectionText);
      return EXIT.ok;
    }
    const what = openId === undefined ? `${ids.length} media items` : 'all media items of this user';
    if (!yes) await confirm(context, `Permanently erase ${what} of ${account}?`);
    const body = { account, reason, ...selected };
    const requested = await client.request<Erasure>('POST', '/v1/erasures', { body });
    const ended =
      requested.state === 'running'
        ? await pollUntilEnded<Erasure>(context, {
            path: `/v1/erasures/${requested.id}`,
            hasEnded: ({ state }) => state !== 'running',
            progress: ({ done, total }) => ({ done, total, words: 'erased' }),
            again: `GET /v1/erasures/${requested.id}`,
          })
        : requested;
    const { notFound = [] } = requested;
    output.show({ ...ended, ...(notFound.length > 0 && { notFound }) }, (erasure) =>
      [
        `${erasure.id} is ${erasure.state}: ${erasure.done} of ${erasure.total} media items are completely erased.`,
        ...(erasure.problem ? [erasure.problem] : []),
        ...(erasure.state === 'kept'
          ? ['The storage refuses to delete the rest; the deletion is retried automatically.']
          : []),
        ...notFound.map((id) => `${id} is not a media item of ${account}.`),
      ].join('\n'),
    );
    return ended.state === 'done' && notFound.length === 0 ? EXIT.ok : EXIT.findings;
  });
}
