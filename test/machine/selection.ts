/**
 * Selects how much the suites run. `npm test` runs what every change needs; `npm run test:all` sets WMA_TEST_ALL=1 and
 * runs everything: every suite on every shape, the large numbers and the long chaos runs.
 */

/** Whether everything runs, what is too long for every change included. */
export const runsAll = process.env.WMA_TEST_ALL === '1';

/** How many of the shapes (database and queue) a suite needs for every change. */
export type ShapeSelection = 'all' | 'one';

/**
 * Returns the shapes that a suite runs on. `all`: the suite depends on the database or the queue and runs on each;
 * `one`: it does not, and runs on the first of `shapes` alone unless everything runs. The first shape should be the
 * one that starts fastest.
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
