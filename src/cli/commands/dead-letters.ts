/** wma dead-letters, redrive. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../client.ts';
import { type Context, collect, confirm, parseCount, parseTime, runs, type Terminal } from '../command.ts';
import { table } from '../screen.ts';
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
  `${id} is ${state}: ${done} of ${total} media are pending again, ${skipped} were skipped.`;

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
    .summary('what WeChat refused for good, by reason, and what to do')
    .description('Media that failed for good, grouped by account and reason, with the cure of each.');
  runs(terminal, deadLetters, async ({ client, output: screen }) => {
    const answer = await client.request<{ groups: readonly Group[] }>('GET', '/v1/dead-letters');
    screen.show(answer, ({ groups }) => groupsText(groups, 'There are no dead letters.'));
    return EXIT.ok;
  });

  const redrive = program
    .command('redrive')
    .summary('try dead letters again')
    .description(
      'Tries media again that failed for good: those with the given ids, or all that the options match. What would be ' +
        'taken is shown first. It goes on in the server; Ctrl-C only stops watching.',
    )
    .argument('[ids...]', 'm_ and 32 hex digits')
    .option('--account <account>', 'may be repeated', collect)
    .option('--errcode <number>', "WeChat's number; may be repeated", collect)
    .option('--code <code>', 'as dead-letters shows it; may be repeated', collect)
    .option('--class <class>', 'class of the failure; may be repeated', collect)
    .option('--kind <kind>', 'image, voice, video …; may be repeated', collect)
    .option('--failed-from <time>', 'failed then or later', parseTime)
    .option('--failed-to <time>', 'failed before', parseTime)
    .option('--sent-from <time>', 'sent then or later', parseTime)
    .option('--sent-to <time>', 'sent before', parseTime)
    .option('--all', 'every dead letter there is')
    .option('--limit <n>', 'so many at most', parseCount)
    .option('--rate <n>', 'media per second', parseCount)
    .option('--force', 'expired media too, though WeChat may have them no more')
    .option('--reason <text>', 'kept in the log of events')
    .option('--dry-run', 'only show what would be taken')
    .option('-y, --yes', 'do not ask')
    .option('--no-watch', 'do not wait for its end')
    .option('--watch <id>', 'watch one that runs already')
    .option('--stop <id>', 'stop one')
    .addHelpText(
      'after',
      '\nExample:\n  wma redrive --errcode 40007 --account shop --reason "secret corrected"',
    );
  runs(terminal, redrive, async (context, ids) => {
    const { client, output: screen } = context;
    const { all, limit, rate, force, reason, dryRun, yes, watch: watching, stop, ...rest } = redrive.opts();
    if (stop !== undefined) return await redrives.stop(context, stop);
    if (typeof watching === 'string') return await follow(context, watching);
    if (ids.length > 0) return await retryEach(context, ids, { reason, force });

    const filter = { ...rest, ...(rest.errcode && { errcode: rest.errcode.map(Number) }) };
    if (Object.keys(filter).length === 0 && !all)
      throw new CliError('Say which: ids, options like --errcode, or --all.', EXIT.usage);
    const body = { filter, ...(all && { all }), limit, rate, force, reason };
    const preview = await client.request<{ matched: number; groups: readonly Group[] }>(
      'POST',
      '/v1/redrives',
      {
        body: { ...body, dryRun: true },
      },
    );
    const takes = Math.min(preview.matched, limit ?? Number.POSITIVE_INFINITY);
    if (dryRun || takes === 0) {
      screen.show(preview, ({ groups }) => groupsText(groups, 'Nothing matches.'));
      return EXIT.ok;
    }
    if (!screen.json) screen.info(groupsText(preview.groups, ''));
    if (!yes) await confirm(context, `Try ${takes.toLocaleString('en-US')} media again?`);
    const { id } = await client.request<{ id: string }>('POST', '/v1/redrives', { body });
    return watching === false ? redrives.leave(context, id) : await follow(context, id);
  });
}

async function follow(context: Context, id: string): Promise<number> {
  context.output.show(await redrives.watch(context, id), redriveText);
  return EXIT.ok;
}

async function retryEach(
  { client, output: screen }: Context,
  ids: readonly string[],
  why: { reason?: string; force?: boolean },
) {
  const rows: Media[] = [];
  for (const id of ids)
    rows.push(
      await client.request<Media>('POST', `/v1/media/${encodeURIComponent(id)}/retry`, { body: why }),
    );
  screen.show({ items: rows }, ({ items }) => items.map(({ id, status }) => `${id}  ${status}`).join('\n'));
  return EXIT.ok;
}

function groupsText(groups: readonly Group[], none: string): string {
  if (groups.length === 0) return none;
  const cures = new Map(groups.map((one) => [one.errcode ?? one.code, `${one.message} ${one.advice}`]));
  return [
    table(
      ['COUNT', 'ACCOUNT', 'ERRCODE', 'CODE', 'LAST'],
      groups.map((one) => [one.count, one.account, one.errcode, one.code, one.lastAt]),
    ),
    ...[...cures].map(([code, words]) => `${code}: ${words}`),
  ].join('\n');
}
