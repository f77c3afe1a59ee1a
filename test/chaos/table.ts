/** The table at the end: a row for each way of breaking the promise, a column for each run. */
import { CELLS, type CellName, type Findings } from './check/findings.ts';

const EXAMPLES = 5;
const WIDTH = 12;

export interface Column {
  readonly title: string;
  readonly findings: Findings;
}

export const countOf = (findings: Findings, cell: CellName): number | undefined => findings[cell]?.length;

/** Plain text, with up to five examples for each cell that is not zero. */
export function tableOf(columns: readonly Column[]): string {
  const width = Math.max(...CELLS.map((cell) => cell.length)) + 2;
  const lines = [`${''.padEnd(width)}${columns.map(({ title }) => title.padStart(WIDTH)).join('')}`];
  for (const cell of CELLS) {
    const counts = columns.map(({ findings }) => String(countOf(findings, cell) ?? '–').padStart(WIDTH));
    lines.push(`${cell.padEnd(width)}${counts.join('')}`);
  }
  for (const { title, findings } of columns) {
    for (const cell of CELLS) {
      const found = findings[cell] ?? [];
      if (found.length === 0) continue;
      lines.push('', `${title}, ${cell}: ${found.length}`);
      for (const example of found.slice(0, EXAMPLES)) lines.push(`  ${example}`);
    }
  }
  return lines.join('\n');
}
