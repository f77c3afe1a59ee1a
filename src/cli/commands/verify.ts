/** wma verify. */
import type { Command } from 'commander';
import { CliError, type Client, EXIT } from '../client.ts';
import { type Context, collect, parseBytes, parseCount, parseTime, runs, type Terminal } from '../command.ts';
import { size, table } from '../screen.ts';
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

/** What the counts mean, in the order they are told. */
const WORDS: Readonly<Record<string, string>> = {
  ok: 'as it should be',
  known: 'objects the catalogue knows',
  adopted: 'objects that got their row',
  removed: 'leftovers removed',
  missing: 'archived, and the object is missing',
  wrongSize: 'archived, and the object has another size',
  wrongDigest: 'archived, and the object has other bytes',
  otherMedia: 'archived, and the object says it is another media',
  unreadable: 'archived, and the store refuses to give the object',
  adoptable: 'objects without their row: wma verify --adopt gives it to them',
  leftover: 'leftovers of a race: wma verify --orphans --remove removes them',
  erased: 'objects of erased media: wma verify --orphans --remove removes them',
  otherBucket: 'in a bucket that is not the configured one: not looked at',
  foreign: 'foreign objects: never touched',
  probe: 'probes of the store',
  outside: 'objects of other accounts or times: not looked at',
  changed: 'changed while they were looked at',
};
const SHOWN = 20;

export function addVerifyCommand(program: Command, terminal: Terminal): void {
  const verify = program
    .command('verify')
    .summary('compare the catalogue with the bucket')
    .description(
      'Reads archived objects back and compares length, sha256 and metadata with their rows (a sample of 1,000 unless ' +
        'told otherwise). Nothing is changed, but by --adopt and --remove. The server does it; Ctrl-C only stops watching.',
    )
    .option('--sample <n>', 'so many objects, evenly spread (default 1000)', parseCount)
    .option('--all', 'every archived media; with --orphans: read the bytes too, not the headers alone')
    .option('--account <account>', 'may be repeated; not with --adopt', collect)
    .option('--sent-from <time>', 'sent then or later', parseTime)
    .option('--sent-to <time>', 'sent before', parseTime)
    .option('--bytes-per-second <size>', 'default 50MiB', parseBytes)
    .option('--objects-per-second <n>', 'default 200', parseCount)
    .option('--adopt', 'list the bucket and give objects without a row theirs, from their metadata')
    .option('--orphans', 'look both ways: objects without a row, rows without an object')
    .option('--remove', 'with --orphans: remove what lost races left behind, once it is a day old')
    .option('--dry-run', 'with --adopt or --orphans: change nothing')
    .option('--reason <text>', 'kept with it')
    .option('--no-watch', 'do not wait for its end')
    .option('--watch <id>', 'watch one that runs already, or show one that ended')
    .option('--stop <id>', 'stop one')
    .addHelpText(
      'after',
      `
Exit code 1 where catalogue and bucket differ.

Examples:
  wma verify                                  a sample
  wma verify --all --sent-from 2026-11-01     everything since November
  wma verify --orphans --all                  both ways, and the bytes of everything
  wma verify --adopt                          after a restore of the database`,
    );
  runs(terminal, verify, async (context) => {
    const { stop, watch: watching, ...others } = verify.opts();
    const isOld = stop !== undefined || typeof watching === 'string';
    if (isOld && (Object.keys(others).length > 0 || (stop !== undefined && typeof watching === 'string')))
      throw new CliError('--watch <id> and --stop <id> begin nothing: give no other option.', EXIT.usage);
    if (stop !== undefined) return await verifications.stop(context, stop);
    if (typeof watching === 'string') return await follow(context, watching);
    const { id } = await context.client.request<Verification>('POST', '/v1/verifications', {
      body: wishOf(verify.opts()),
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

function wishOf(options: ReturnType<Command['opts']>): Record<string, unknown> {
  const { sample, all, account, sentFrom, sentTo, bytesPerSecond, objectsPerSecond } = options;
  const { adopt, orphans, remove, dryRun, reason } = options;
  if (adopt && orphans) throw new CliError('Give either --adopt or --orphans.', EXIT.usage);
  const isFiltered = [account, sentFrom, sentTo].some((one) => one !== undefined);
  if (adopt && (all || sample !== undefined || isFiltered))
    throw new CliError(
      '--adopt lists the whole bucket: --all, --sample, --account, --sent-from and --sent-to are not for it.',
      EXIT.usage,
    );
  if (orphans && sample !== undefined)
    throw new CliError(
      '--orphans looks at everything: --sample is not for it; --all reads the bytes too.',
      EXIT.usage,
    );
  if (all && sample !== undefined) throw new CliError('Give either --sample or --all.', EXIT.usage);
  if (remove && !orphans) throw new CliError('--remove goes with --orphans.', EXIT.usage);
  if (dryRun && !adopt && !orphans)
    throw new CliError('--dry-run goes with --adopt or --orphans; verify changes nothing.', EXIT.usage);
  const kind = adopt ? 'adopt' : orphans ? 'orphans' : 'verify';
  const filter = { account, sentFrom, sentTo };
  const rate = { bytesPerSecond, objectsPerSecond };
  const isGiven = (given: object) => Object.values(given).some((value) => value !== undefined);
  return {
    kind,
    ...(kind === 'verify' && !all ? { sample: sample ?? 1000 } : {}),
    ...(all && { all }),
    ...(isGiven(filter) && { filter }),
    ...(isGiven(rate) && { rate }),
    ...(kind === 'orphans' && remove && !dryRun && { remove }),
    ...(kind === 'adopt' && dryRun && { dryRun }),
    reason,
  };
}

async function follow(context: Context, id: string): Promise<number> {
  const { client, output: screen } = context;
  const ended = await verifications.watch(context, id);
  const findings = await firstFindings(client, id, screen.json ? 1000 : SHOWN);
  screen.show({ ...ended, findings }, () =>
    [summary(ended), findingsText(ended, findings)].filter(Boolean).join('\n\n'),
  );
  return ended.drift > 0 ? EXIT.findings : EXIT.ok;
}

async function firstFindings(client: Client, id: string, limit: number): Promise<readonly Finding[]> {
  const path = `${pathOf(id)}/findings`;
  return (await client.request<{ items: readonly Finding[] }>('GET', path, { query: { limit } })).items;
}

const progressWords = ({ state, drift, bytes }: Verification) =>
  state === 'waiting' ? 'waiting for its turn' : `${drift} differ, ${size(bytes)} read`;

function summary(state: Verification): string {
  const known = Object.keys(WORDS);
  const counts = Object.entries(state.counts).toSorted(([a], [b]) => known.indexOf(a) - known.indexOf(b));
  const head = `${state.id} (${state.kind}) is ${state.state}: ${state.done.toLocaleString('en-US')} looked at, ${size(state.bytes)} read, ${state.drift} differ.`;
  return [head, ...counts.map(([what, n]) => `${String(n).padStart(9)}  ${WORDS[what] ?? what}`)].join('\n');
}

function findingsText({ id }: Verification, findings: readonly Finding[]): string {
  if (findings.length === 0) return '';
  const rows = findings.map((one) => [one.what, one.id, one.objectKey, one.detail]);
  const more = findings.length === SHOWN ? `\nMore of them: wma verify --watch ${id} --json` : '';
  return `${table(['WHAT', 'ID', 'OBJECT', 'DETAIL'], rows)}${more}`;
}
