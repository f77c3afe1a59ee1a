/** The result of a part of the benchmark, how it is printed and where it is stored. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, hostname, platform, release, totalmem } from 'node:os';
import { dirname } from 'node:path';

export type Cell = string | number;

export interface Table {
  readonly title: string;
  /** Ratios come first: they are the result, absolute figures are context. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** The wanted limit of a ratio. It decides no test. */
export interface Bar {
  readonly what: string;
  readonly measured: number;
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface PartResult {
  readonly tables: readonly Table[];
  readonly bars: readonly Bar[];
  /** What a reader must know to interpret the figures. */
  readonly notes: readonly string[];
}

export interface Report {
  readonly startedAt: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly quick: boolean;
  readonly parts: Record<string, PartRun>;
}

export interface PartRun extends PartResult {
  readonly startedAt: string;
  readonly seconds: number;
  /** The load of the machine when the part began. */
  readonly loadBefore: number;
}

export const holds = (bar: Bar): boolean =>
  (bar.atMost === undefined || bar.measured <= bar.atMost) &&
  (bar.atLeast === undefined || bar.measured >= bar.atLeast);

export function describeMachine(pinned: string): Report['machine'] {
  return {
    name: hostname(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    pinned,
  };
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** The value that a share of all values does not exceed; `share` 0.99 is p99. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Formats a number with three significant digits and no exponent. */
export function formatCell(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  if (!Number.isFinite(cell)) return '–';
  return Math.abs(cell) >= 100 ? cell.toFixed(0) : `${Number(cell.toPrecision(3))}`;
}

export function formatTable({ title, columns, rows }: Table): string {
  const cells = [columns, ...rows.map((row) => row.map(formatCell))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, index) =>
        index === 0 || typeof rows[0]?.[index] === 'string'
          ? cell.padEnd(widths[index]!)
          : cell.padStart(widths[index]!),
      )
      .join('  ')
      .trimEnd(),
  );
  return [
    `\n${title}`,
    lines[0],
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...lines.slice(1),
  ].join('\n');
}

export function formatPart(result: PartResult): string {
  const bars = result.bars.map((bar) => {
    const limit = bar.atMost === undefined ? `at least ${bar.atLeast}` : `at most ${bar.atMost}`;
    return `  ${holds(bar) ? 'holds ' : 'MISSED'}  ${bar.what}: ${formatCell(bar.measured)} (${limit})`;
  });
  const notes = result.notes.map((note) => `  ${note}`);
  return [
    ...result.tables.map(formatTable),
    ...(bars.length ? ['', ...bars] : []),
    ...(notes.length ? ['', ...notes] : []),
  ].join('\n');
}

/** Writes the report. Parts of earlier runs of the same day, machine and size are kept. */
export async function writeReport(path: string, report: Report): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const before = await readReport(path).catch(() => undefined);
  const parts = before?.quick === report.quick ? { ...before.parts, ...report.parts } : report.parts;
  await writeFile(path, `${JSON.stringify({ ...report, parts }, null, 2)}\n`);
}

export async function readReport(path: string): Promise<Report> {
  return JSON.parse(await readFile(path, 'utf8')) as Report;
}
