/** wma dead-letters, redrive. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import {
  type Context,
  collect,
  confirm,
  parseCount,
  parsePair,
  parseTime,
  setAction,
  type Terminal,
} from '../command.ts';
import { table } from '../output.ts';
import { createServerTask } from '../server-task.ts';
import type { Media } from './media.ts';

interface Group {
  readonly account: string;
  readonly code: string;
  readonly errcode?: number;
  readonly count: number;
  readonly lastAt: string;
  readonly message: string;
  readonly advice: string;
}

interface Redrive {
  readonly id: string;
  readonly state: string;
  readonly done: number;
  readonly skipped: number;
  readonly total: number;
}

const redriveText = ({ id, state, done, skipped, total }: Redrive) =>
  `${id} is ${state}: ${done} of ${total} media items are pending again, ${skipped} were skipped.`;

const redrives = createServerTask<Redrive>({
  command: 'redrive',
  path: (id) => `/v1/redrives/${encodeURIComponent(id)}`,
  text: redriveText,
  hasEnded: ({ state }) => state !== 'running',
  progress: ({ done, skipped, total }) => ({ done: done + skipped, total, words: `redriven ${done}` }),
});

export function addDeadLetterCommands(program: Command, terminal: Terminal): void {
  const deadLetters = program
    .command('dead-letters')
    .summary('list the dead letters by reason, with advice')
    .description(
      'Lists the media items that failed permanently, grouped by account and reason, with advice for each group.',
    );
  setAction(terminal, deadLetters, async ({ client, output }) => {
    const response = await client.request<{ groups: readonly Group[] }>('GET', '/v1/dead-letters');
    output.show(response, ({ groups }) => groupsText(groups, 'There are no dead letters.'));
    return EXIT.ok;
  });

  const redrive = program
    .command('redrive')
    .summary('redrive dead letters')
    .description(
      'Makes media items that failed permanently pending again: those with the given ids, or all that match the options. ' +
        'The command first shows what matches. The server does the work; Ctrl-C only stops watching.',
    )
    .argument('[ids...]', 'm_ and 32 hex digits')
    .option('--account <account>', 'may be repeated', collect)
    .option('--errcode <number>', "WeChat's number; may be repeated", collect)
    .option('--code <code>', 'as shown by wma dead-letters; may be repeated', collect)
    .option('--class <class>', 'the class of the failure; may be repeated', collect)
    .option('--kind <kind>', 'image, voice, video …; may be repeated', collect)
    .option('--open-id <id>', 'the user who sent it')
    .option('--msg-id <id>', 'id of the message; may be repeated', collect)
    .option('--media-id <id>', 'as in the message of WeChat; may be repeated', collect)
    .option('--label <name=value>', 'may be repeated', parsePair)
    .option('--failed-from <time>', 'failed at this time or later', parseTime)
    .option('--failed-to <time>', 'failed before this time', parseTime)
    .option('--sent-from <time>', 'sent at this time or later', parseTime)
    .option('--sent-to <time>', 'sent before this time', parseTime)
    .option('--all', 'all dead letters')
    .option('--limit <n>', 'the maximum number of media items', parseCount)
    .option('--rate <n>', 'media items per second', parseCount)
    .option('--force', 'also redrive expired media items, although WeChat may have deleted them')
    .option('--reason <text>', 'stored in the audit log')
    .option('--dry-run', 'only show what would be redriven')
    .option('-y, --yes', 'do not ask for confirmation')
    .option('--no-watch', 'do not wait until the redrive ends')
    .option('--watch <id>', 'watch a running redrive')
    .option('--stop <id>', 'stop a redrive')
    .addHelpText(
      'after',
      '\nExample:\n  wma redrive --errcode 40007 --account shop --reason "secret corrected"',
    );
  setAction(terminal, redrive, async (context, ids) => {
    const { client, output } = context;
    const { all, limit, rate, force, reason, dryRun, yes, watch: watching, stop, ...rest } = redrive.opts();
    if (stop !== undefined) return await redrives.stop(context, stop);
    if (typeof watching === 'string') return await follow(context, watching);
    if (ids.length > 0) return await retryEach(context, ids, { reason, force });

    const filter = { ...rest, ...(rest.errcode && { errcode: rest.errcode.map(Number) }) };
    if (Object.keys(filter).length === 0 && !all)
      throw new CliError('Specify ids, options like --errcode, or --all.', EXIT.usage);
    const body = { filter, ...(all && { all }), limit, rate, force, reason };
    const preview = await client.request<{ matched: number; groups: readonly Group[] }>(
      'POST',
      '/v1/redrives',
      {
        body: { ...body, dryRun: true },
      },
    );
    const count = Math.min(preview.matched, limit ?? Number.POSITIVE_INFINITY);
    if (dryRun || count === 0) {
      output.show(preview, ({ groups }) => groupsText(groups, 'Nothing matches.'));
      return EXIT.ok;
    }
    if (!output.json) output.info(groupsText(preview.groups, ''));
    if (!yes) await confirm(context, `Redrive ${count.toLocaleString('en-US')} media items?`);
    const { id } = await client.request<{ id: string }>('POST', '/v1/redrives', { body });
    return watching === false ? redrives.leave(context, id) : await follow(context, id);
  });
}

async function follow(context: Context, id: string): Promise<number> {
  context.output.show(await redrives.watch(context, id), redriveText);
  return EXIT.ok;
}

async function retryEach(
  { client, output }: Context,
  ids: readonly string[],
  body: { reason?: string; force?: boolean },
) {
  const rows: Media[] = [];
  for (const id of ids)
    rows.push(await client.request<Media>('POST', `/v1/media/${encodeURIComponent(id)}/retry`, { body }));
  output.show({ items: rows }, ({ items }) => items.map(({ id, status }) => `${id}  ${status}`).join('\n'));
  return EXIT.ok;
}

function groupsText(groups: readonly Group[], none: string): string {
  if (groups.length === 0) return none;
  const advice = new Map(
    groups.map((group) => [group.errcode ?? group.code, `${group.message} ${group.advice}`]),
  );
  return [
    table(
      ['COUNT', 'ACCOUNT', 'ERRCODE', 'CODE', 'LAST'],
      groups.map(({ count, account, errcode, code, lastAt }) => [count, account, errcode, code, lastAt]),
    ),
    ...[...advice].map(([code, text]) => `${code}: ${text}`),
  ].join('\n');
}
