/**
 * Selects how much the suites run. `npm test` runs what every change needs; `npm run test:all` sets WMA_TEST_ALL=1 and
 * runs everything: every suite on every shape, the large numbers and the long chaos runs.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Whether everything runs, what is too long for every change included. */
export const runsAll = process.env.WMA_TEST_ALL === '1';

/** How many of the shapes (database and queue) a suite needs for every change. */
export type ShapeSelection = 'all' | 'one';

/**
 * Returns the shapes that a suite runs on. `all`: the suite depends on the database or the queue and runs on each;
 * `one`: it does not, and runs on the first of `shapes` alone unless everything runs.
 */
export function shapesFor<Shape>(shapes: readonly Shape[], selection: ShapeSelection): readonly Shape[] {
  return selection === 'all' || runsAll ? shapes : shapes.slice(0, 1);
}

/** Returns `usual`, or `whole` when everything runs: `const rows = sizeFor(10_000, 100_000)`. */
export function sizeFor<Value>(usual: Value, whole: Value): Value {
  return runsAll ? whole : usual;
}

/** Why a test is left out of `npm test`, or false when everything runs: `test('…', { skip: onlyInAll }, …)`. */
export const onlyInAll: string | false = runsAll ? false : 'too long for every change: npm run test:all';

/**
 * Returns all of `items` when everything runs, else the one whose turn it is: the commit decides, so that a run can be
 * repeated and each of them has its turn within a few commits. Without git it is the first.
 */
export function oneByCommit<Item>(items: readonly Item[]): readonly Item[] {
  if (runsAll || items.length === 0) return items;
  return [items[Number.parseInt(commitHash().slice(0, 8), 16) % items.length]!];
}

function commitHash(): string {
  try {
    const cwd = fileURLToPath(new URL('../..', import.meta.url));
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd, encoding: 'utf8', stdio: 'pipe' });
  } catch {
    return '00000000';
  }
}
