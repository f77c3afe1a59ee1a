/** What the demo prints: a line as each media settles, then the sums. */
import type { Verdict } from './judge.ts';
import type { SettledRow } from './script.ts';

export interface Summary {
  /** Distinct references: archived + dead + expired. */
  readonly received: number;
  readonly archived: number;
  readonly dead: number;
  readonly expired: number;
  /** Repeats that made no row. */
  readonly duplicates: number;
  readonly bytes: number;
  /** Read back with the digest WeChat's file has. */
  readonly verified: number;
  readonly failures: readonly { readonly id: string; readonly what: string }[];
}

export function summaryOf(
  verdicts: readonly Verdict[],
  counted: { duplicates: number; strangers: number },
): Summary {
  const of = (status: string) => verdicts.filter(({ row }) => row?.status === status);
  const failures = verdicts.flatMap(({ id, says, wrong }) =>
    wrong.map((what) => ({ id, what: `${says}: ${what}` })),
  );
  const keys = of('archived').map(({ row }) => row?.objectKey);
  if (new Set(keys).size !== keys.length) failures.push({ id: '', what: 'two media share one object' });
  if (counted.strangers > 0) failures.push({ id: '', what: `${counted.strangers} rows that nobody sent` });
  if (counted.duplicates < 1) failures.push({ id: '', what: 'the repeated callback made a row of its own' });
  const settled = { archived: of('archived').length, dead: of('dead').length, expired: of('expired').length };
  return {
    received: settled.archived + settled.dead + settled.expired,
    ...settled,
    duplicates: counted.duplicates,
    bytes: of('archived').reduce((sum, { row }) => sum + (row?.sizeBytes ?? 0), 0),
    verified: verdicts.filter(({ verified }) => verified).length,
    failures,
  };
}

function sizeOf(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export function createPrinter(
  write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
) {
  const said = new Set<string>();
  return {
    begin: (resumed: boolean): void => {
      write('A day of a simulated WeChat account: three days of media life are played in six minutes.');
      if (resumed) write('The day before was cut off in the middle; it goes on where it was.');
      write('');
    },
    /** Once per media, as soon as it is no longer pending. */
    settled: (says: string, row: SettledRow | undefined): void => {
      if (!row || row.status === 'pending' || said.has(row.id)) return;
      said.add(row.id);
      const where = row.status === 'archived' ? (row.objectKey ?? '') : (row.failure?.message ?? '');
      const size = row.sizeBytes === undefined ? '' : sizeOf(row.sizeBytes);
      write(`${row.status.padEnd(8)}  ${size.padStart(8)}  ${says.padEnd(58)}  ${where}`);
    },
    end: (summary: Summary, folder: string, json: boolean): void => {
      const { received, archived, dead, expired, duplicates, bytes, verified, failures } = summary;
      write('');
      write(
        `${received} media received, ${duplicates} repeats. ${archived} archived (${sizeOf(bytes)}), ${dead} dead, ${expired} expired.`,
      );
      write(`${verified} objects read back through their links, digests equal.`);
      for (const { id, what } of failures) write(`WRONG ${id} ${what}`);
      write(
        failures.length === 0
          ? 'All is as it must be.'
          : `${failures.length} things are not as they must be.`,
      );
      write(`The day's objects and catalogue are in ${folder}.`);
      if (json) write(JSON.stringify(summary));
    },
  };
}
