/**
 * Remembers which test files were unsteady in the last run: failed beside others and passed alone. One such failure
 * may be the machine's; a second in a row is a fault of the test or of the product.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface UnsteadyRun {
  /** The files that ran. */
  readonly ran: readonly string[];
  /** Those of them that failed and then passed alone. */
  readonly unsteady: readonly string[];
}

/**
 * Compares a run with the list of the one before. `repeated`: unsteady in both; `next`: the list to remember, in which
 * a file that did not run keeps its place.
 */
export function compareUnsteady(
  before: readonly string[],
  { ran, unsteady }: UnsteadyRun,
): { readonly repeated: readonly string[]; readonly next: readonly string[] } {
  const kept = before.filter((file) => !ran.includes(file));
  return {
    repeated: unsteady.filter((file) => before.includes(file)),
    next: [...new Set([...kept, ...unsteady])].sort(),
  };
}

/** Compares the run with the list in `stateFile` and replaces the list. Returns the files that are unsteady again. */
export async function rememberUnsteady(stateFile: string, run: UnsteadyRun): Promise<readonly string[]> {
  const { repeated, next } = compareUnsteady(await readList(stateFile), run);
  await mkdir(dirname(stateFile), { recursive: true });
  await writeFile(stateFile, `${JSON.stringify(next, null, 2)}\n`);
  return repeated;
}

/** A list that is missing or unreadable is empty: it must not stop the tests. */
async function readList(file: string): Promise<readonly string[]> {
  try {
    const list: unknown = JSON.parse(await readFile(file, 'utf8'));
    return Array.isArray(list) ? list.filter((entry) => typeof entry === 'string') : [];
  } catch {
    return [];
  }
}
