/** Which findings are to be alerted of: those that lasted as long as their check says, each incident once. */

import { type Finding, findingsFor } from '../checks/findings.ts';
import { type CheckCode, checkOf } from '../checks/table.ts';

export type FindingDebounce = (found: readonly Finding[]) => Finding[];

/** Remembers from one call to the next. `afterMs`: how long a check must last; default as the list says. */
export function createFindingDebounce(
  afterMs: (code: CheckCode) => number = (code) => checkOf(code).alertAfterMs ?? 0,
): FindingDebounce {
  let firstMs = new Map<string, number>();
  return (found) => {
    const before = firstMs;
    firstMs = new Map();
    const codes = new Set<string>(found.map(({ code }) => code));
    return findingsFor('alerts', { found }).filter(({ code, target }) => {
      const key = `${code} ${target}`;
      const first = before.get(key) ?? performance.now();
      firstMs.set(key, first);
      if (checkOf(code).alertUnless?.some((other) => codes.has(other))) return false;
      return performance.now() - first >= afterMs(code);
    });
  };
}
