/** Selects the findings to alert on: those that have lasted as long as their check wants. */
import { type Finding, findingsFor } from '../checks/findings.ts';
import { type CheckCode, checkOf } from '../checks/table.ts';

export type FindingDebounce = (found: readonly Finding[]) => Finding[];

/** Keeps state from one call to the next. `afterMs`: how long a finding must last. Default: `alertAfterMs` of its check. */
export function createFindingDebounce(
  afterMs: (code: CheckCode) => number = (code) => checkOf(code).alertAfterMs ?? 0,
): FindingDebounce {
  let firstSeenMs = new Map<string, number>();
  return (found) => {
    const before = firstSeenMs;
    firstSeenMs = new Map();
    const codes = new Set<string>(found.map(({ code }) => code));
    return findingsFor('alerts', { found }).filter(({ code, target }) => {
      const key = `${code} ${target}`;
      const first = before.get(key) ?? performance.now();
      firstSeenMs.set(key, first);
      if (checkOf(code).alertUnless?.some((other) => codes.has(other))) return false;
      return performance.now() - first >= afterMs(code);
    });
  };
}
