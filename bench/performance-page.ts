/**
 * Fills the tables of docs/performance.md from bench/results: `node bin/run.js bench/performance-page.ts`. Of each part the latest
 * full run, or the latest quick one where there is no other; results of a busy machine are marked.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { formatCell, holds, type PartRun, type Report, readReport, type Table } from './report.ts';

const RESULTS = new URL('results/', import.meta.url);
const PAGE = new URL('../docs/performance.md', import.meta.url);
/** The part before leaves a load of one to three. */
const BUSY_LOAD = 4;
const PLACE = /(?<=<!-- (\S+): written by bench\/performance-page\.ts -->\n).*?(?=<!-- \/\1 -->)/gs;

interface Run extends PartRun {
  readonly machine: Report['machine'];
  readonly quick: boolean;
}

async function latestRuns(): Promise<ReadonlyMap<string, Run>> {
  const names = (await readdir(RESULTS)).filter((name) => name.endsWith('.json'));
  const reports = await Promise.all(names.map((name) => readReport(fileURLToPath(new URL(name, RESULTS)))));
  const runs = reports.flatMap(({ parts, machine, quick }) =>
    Object.entries(parts).map(([name, part]): [string, Run] => [name, { ...part, machine, quick }]),
  );
  const rank = ({ quick, startedAt }: Run) => `${quick ? 0 : 1}${startedAt}`;
  return new Map(runs.sort(([, a], [, b]) => (rank(a) < rank(b) ? -1 : 1)));
}

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

function markdownOf({ title, columns, rows }: Table): string {
  const rule = columns.map((_, index) => (typeof rows[0]?.[index] === 'string' ? '---' : '--:'));
  return [
    `**${title}**`,
    '',
    row(columns),
    row(rule),
    ...rows.map((cells) => row(cells.map(formatCell))),
    '',
  ].join('\n');
}

function sectionOf(run: Run | undefined): string {
  if (!run) return '*Not measured yet.*\n';
  const { machine, bars, notes } = run;
  const where = `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}; ${machine.pinned}`;
  const when = `${run.startedAt.slice(0, 10)}, ${run.seconds} s${run.quick ? ', quick' : ''}`;
  const busy =
    run.loadBefore > BUSY_LOAD ? ` **The machine was busy: ${run.loadBefore} others wanted a core.**` : '';
  const shown = bars.map((bar) => {
    const limit = bar.atMost === undefined ? `at least ${bar.atLeast}` : `at most ${bar.atMost}`;
    return row([bar.what, formatCell(bar.measured), limit, holds(bar) ? 'holds' : '**missed**']);
  });
  const table = bars.length
    ? [row(['bar', 'measured', 'wanted', '']), row(['---', '--:', '---', '---']), ...shown, '']
    : [];
  return [
    `*${when}; ${where}.*${busy}`,
    '',
    ...run.tables.map(markdownOf),
    ...table,
    ...notes.map((note) => `- ${note}`),
    '',
  ].join('\n');
}

const runs = await latestRuns();
const page = await readFile(PAGE, 'utf8');
await writeFile(
  PAGE,
  page.replace(PLACE, (_, name: string) => sectionOf(runs.get(name))),
);
