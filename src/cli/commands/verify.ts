/** wma verify. */
import type { Command } from 'commander';
import { CliError, type Client, EXIT } from '../client.ts';
import {
  type Context,
  collect,
  parseBytes,
  parseCount,
  parseTime,
  setAction,
  type Terminal,
} from '../command.ts';
import { size, table } from '../output.ts';
import { createServerTask } from '../server-task.ts';

interface Verification {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly done: number;
  readonly total?: number;
  readonly bytes: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly drift: number;
  readonly problem?: string;
}

interface Finding {
  readonly seq: number;
  readonly what: string;
  readonly id?: string;
  readonly objectKey?: string;
  readonly detail?: string;
}

/** The meanings of the counts, in the order in which they are displayed. */
const COUNT_TEXTS: Readonly<Record<string, string>> = {
  ok: 'no difference',
  known: 'objects that have a row',
  adopted: 'objects for which a row was created',
  removed: 'leftover objects deleted',
  missing: 'archived, but the object is missing',
  wrongSize: 'archived, but the object has another size',
  wrongDigest: 'archived, but the object has other bytes',
  otherMedia: 'archived, but the object belongs to another media item',
  unreadable: 'archived, but the store refuses to return the object',
  adoptable: 'objects without a row: wma verify --adopt creates the rows',
  leftover: 'leftover objects of lost races: wma verify --orphans --remove deletes them',
  erased: 'objects of erased media items: wma verify --orphans --remove deletes them',
  otherBucket: 'objects in another bucket than the configured one: not compared',
  foreign: 'objects of other programs: never changed',
  probe: 'probe objects of the store',
  outside: 'objects of other accounts or times: not compared',
  changed: 'changed during the comparison',
};
const SHOWN_LIMIT = 20;

export function addVerifyCommand(program: Command, terminal: Terminal): void {
  const verify = program
    .command('verify')
    .summary('compare the catalogue with the bucket')
    .description(
      'Reads archived objects and compares length, sha256 and metadata with their rows (default: a sample of 1,000). ' +
        'Only --adopt and --remove change anything. The server does the work; Ctrl-C only stops watching.',
    )
    .option('--sample <n>', 'the number of objects, evenly spread (default 1000)', parseCount)
    .option('--all', 'every archived media item; with --orphans: read the bytes, not only the headers')
    .option('--account <account>', 'may be repeated; not with --adopt', collect)
    .option('--sent-from <time>', 'sent at this time or later', parseTime)
    .option('--sent-to <time>', 'sent before this time', parseTime)
    .option('--bytes-per-second <size>', 'default 50MiB', parseBytes)
    .option('--objects-per-second <n>', 'default 200', parseCount)
    .option('--adopt', 'list the bucket and create missing rows from the metadata of objects')
    .option('--orphans', 'compare in both directions: objects without a row, rows without an object')
    .option(
      '--remove',
      'with --orphans: delete the leftover objects of lost races that are at least a day old',
    )
    .option('--dry-run', 'with --adopt or --orphans: change nothing')
    .option('--reason <text>', 'stored with the verification')
    .option('--no-watch', 'do not wait until the verification ends')
    .option('--watch <id>', 'watch a running verification, or show one that ended')
    .option('--stop <id>', 'stop a verification')
    .addHelpText(
      'after',
      `
Exit code 1 if catalogue and bucket differ.

Examples:
  wma verify                                  a sample
  wma verify --all --sent-from 2026-11-01     everything since November
  wma verify --orphans --all                  both directions, and the bytes of everything
  wma verify --adopt                          after a restore of the database`,
    );
  setAction(terminal, verify, async (context) => {
    const { stop, watch: watching, ...others } = verify.opts();
    const isRunning = stop !== undefined || typeof watching === 'string';
    if (isRunning && (Object.keys(others).length > 0 || (stop !== undefined && typeof watching === 'string')))
      throw new CliError(
        '--watch <id> and --stop <id> start no verification: use them without other options.',
        EXIT.usage,
      );
    if (stop !== undefined) return await verifications.stop(context, stop);
    if (typeof watching === 'string') return await follow(context, watching);
    const { id } = await context.client.request<Verification>('POST', '/v1/verifications', {
      body: bodyOf(verify.opts()),
    });
    return watching === false ? verifications.leave(context, id) : await follow(context, id);
  });
}

const pathOf = (id: string) => `/v1/verifications/${encodeURIComponent(id)}`;

const verifications = createServerTask<Verification>({
  command: 'verify',
  path: pathOf,
  text: summary,
  hasEnded: ({ state }) => state === 'done' || state === 'stopped',
  progress: (state) => ({
    done: state.done,
    total: state.total,
    words: state.problem ?? progressWords(state),
  }),
});

function bodyOf(options: ReturnType<Command['opts']>): Record<string, unknown> {
  const { sample, all, account, sentFrom, sentTo, bytesPerSecond, objectsPerSecond } = options;
  const { adopt, orphans, remove, dryRun, reason } = options;
  if (adopt && orphans) throw new CliError('Specify either --adopt or --orphans.', EXIT.usage);
  const isFiltered = [account, sentFrom, sentTo].some((value) => value !== undefined);
  if (adopt && (all || sample !== undefined || isFiltered))
    throw new CliError(
      '--adopt lists the whole bucket: --all, --sample, --account, --sent-from and --sent-to do not apply to it.',
      EXIT.usage,
    );
  if (orphans && sample !== undefined)
    throw new CliError(
      '--orphans compares everything: --sample does not apply to it; --all also reads the bytes.',
      EXIT.usage,
    );
  if (all && sample !== undefined) throw new CliError('Specify either --sample or --all.', EXIT.usage);
  if (remove && !orphans) throw new CliError('--remove requires --orphans.', EXIT.usage);
  if (dryRun && !adopt && !orphans)
    throw new CliError(
      '--dry-run requires --adopt or --orphans; without them nothing is changed anyway.',
      EXIT.usage,
    );
  const kind = adopt ? 'adopt' : orphans ? 'orphans' : 'verify';
  const filter = { account, sentFrom, sentTo };
  const rate = { bytesPerSecond, objectsPerSecond };
  const isSet = (values: object) => Object.values(values).some((value) => value !== undefined);
  return {
    kind,
    ...(kind === 'verify' && !all ? { sample: sample ?? 1000 } : {}),
    ...(all && { all }),
    ...(isSet(filter) && { filter }),
    ...(isSet(rate) && { rate }),
    ...(kind === 'orphans' && remove && !dryRun && { remove }),
    ...(kind === 'adopt' && dryRun && { dryRun }),
    reason,
  };
}

async function follow(context: Context, id: string): Promise<number> {
  const { client, output } = context;
  const ended = await verifications.watch(context, id);
  const findings = await firstFindings(client, id, output.json ? 1000 : SHOWN_LIMIT);
  output.show({ ...ended, findings }, () =>
    [summary(ended), findingsText(ended, findings)].filter(Boolean).join('\n\n'),
  );
  return ended.drift > 0 ? EXIT.findings : EXIT.ok;
}

async function firstFindings(client: Client, id: string, limit: number): Promise<readonly Finding[]> {
  const path = `${pathOf(id)}/findings`;
  return (await client.request<{ items: readonly Finding[] }>('GET', path, { query: { limit } })).items;
}

const progressWords = ({ state, drift, bytes }: Verification) =>
  state === 'waiting' ? 'waiting to start' : `${drift} differ, ${size(bytes)} read`;

function summary(state: Verification): string {
  const known = Object.keys(COUNT_TEXTS);
  const counts = Object.entries(state.counts).toSorted(([a], [b]) => known.indexOf(a) - known.indexOf(b));
  const head = `${state.id} (${state.kind}) is ${state.state}: ${state.done.toLocaleString('en-US')} compared, ${size(state.bytes)} read, ${state.drift} differ.`;
  return [head, ...counts.map(([what, n]) => `${String(n).padStart(9)}  ${COUNT_TEXTS[what] ?? what}`)].join(
    '\n',
  );
}

function findingsText({ id }: Verification, findings: readonly Finding[]): string {
  if (findings.length === 0) return '';
  const rows = findings.map(({ what, id, objectKey, detail }) => [what, id, objectKey, detail]);
  const more = findings.length === SHOWN_LIMIT ? `\nMore findings: wma verify --watch ${id} --json` : '';
  return `${table(['WHAT', 'ID', 'OBJECT', 'DETAIL'], rows)}${more}`;
}
