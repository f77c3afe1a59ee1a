/** wma erase. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { confirm, runs, type Terminal } from '../command.ts';
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
    .summary('erase media, or all of a user, for good')
    .description(
      'Removes objects in all their versions and everything personal from the rows. What is erased is never fetched ' +
        'again and cannot be brought back.',
    )
    .argument('[ids...]', 'm_ and 32 hex digits')
    .requiredOption('--account <account>', 'whose media they are')
    .option('--open-id <id>', 'all media that this user has sent')
    .option('--reason <text>', 'kept for ever: no personal data')
    .option('-y, --yes', 'do not ask');
  runs(terminal, erase, async (context, ids) => {
    const { client, output: screen } = context;
    const { account, openId, reason, yes } = erase.opts();
    if (ids.length > 0 === (openId !== undefined))
      throw new CliError('Say which: ids, or --open-id.', EXIT.usage);
    const what = openId === undefined ? `${ids.length} media` : 'all media of this user';
    if (!yes) await confirm(context, `Erase ${what} of ${account} for good?`);
    const body = { account, reason, ...(openId === undefined ? { ids } : { openId }) };
    const asked = await client.request<Erasure>('POST', '/v1/erasures', { body });
    const ended =
      asked.state === 'running'
        ? await pollUntilEnded<Erasure>(context, {
            path: `/v1/erasures/${asked.id}`,
            hasEnded: ({ state }) => state !== 'running',
            progress: ({ done, total }) => ({ done, total, words: 'erased' }),
            again: `the server goes on by itself; GET /v1/erasures/${asked.id}`,
          })
        : asked;
    const { notFound = [] } = asked;
    screen.show({ ...ended, ...(notFound.length > 0 && { notFound }) }, (erasure) =>
      [
        `${erasure.id} is ${erasure.state}: nothing is left of ${erasure.done} of ${erasure.total} media.`,
        ...(erasure.problem ? [erasure.problem] : []),
        ...(erasure.state === 'kept'
          ? ['The storage does not let go of the rest; it is tried again by itself.']
          : []),
        ...notFound.map((id) => `${id} is no media of ${account}.`),
      ].join('\n'),
    );
    return ended.state === 'done' && notFound.length === 0 ? EXIT.ok : EXIT.findings;
  });
}
