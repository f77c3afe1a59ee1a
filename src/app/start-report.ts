/** Runs the checks at the start of a program: shows them, and logs a line for each that fails, with advice. */
import { type Finding, findingsFor, withAccountName } from '../pipeline/checks/findings.ts';
import { checkOf } from '../pipeline/checks/table.ts';
import { settledWithin, untilAborted } from '../runtime/timeout.ts';
import type { AppContext } from './app-context.ts';
import { type CheckRun, runChecks } from './checks.ts';

/** Longer than a request, with its retries, to a store that does not respond. */
const TIMEOUT_MS = 25_000;
const READY_MS = 10_000;
/** What is not known after this time is shown as unknown. */
const SHOW_MS = 3_000;

export interface StartReportOptions {
  /**
   * Waited for before the checks, ten seconds at most. A worker does not report that no worker is alive, because its own
   * heartbeat may not be written yet.
   */
  consumer?: Promise<unknown>;
  /** Shows the first result, in which a part that has not responded within three seconds is unknown. Must not throw. */
  show?: (run: CheckRun) => void;
  /** Waited for before the result is shown, three seconds at most. */
  showAfter?: Promise<unknown>;
  /** Whether what was shown is not logged as well: the log goes to the same terminal. */
  isLogShown?: boolean;
}

/**
 * Runs the checks in the background. Resolves when their result was shown, or at once without `show`; also when the
 * program closes meanwhile. Never rejects.
 */
export function reportAtStart(
  parts: Pick<AppContext, 'accounts' | 'gather' | 'log' | 'shutdown'>,
  { consumer, show, showAfter, isLogShown = false }: StartReportOptions = {},
): Promise<void> {
  const { gather, log, shutdown } = parts;
  const { signal } = shutdown;

  const failuresOf = (run: CheckRun): readonly Finding[] =>
    findingsFor('readyz', run).filter(({ code }) => !(consumer && code === 'workers_missing'));

  async function showFirst(show: (run: CheckRun) => void): Promise<CheckRun> {
    const endsAt = performance.now() + SHOW_MS;
    const first = await runChecks(gather, { timeoutMs: TIMEOUT_MS, unknownAfterMs: SHOW_MS });
    if (showAfter) await settledWithin(showAfter, Math.max(0, endsAt - performance.now()), signal);
    const found = failuresOf(first);
    if (!signal.aborted) show({ ...first, found });
    return first;
  }

  async function report(onShown: () => void): Promise<void> {
    if (consumer) await settledWithin(consumer, show ? SHOW_MS : READY_MS, signal);
    const first = show && (await showFirst(show));
    onShown();
    const isComplete = first?.facts.catalogue && first.facts.queue && first.facts.store;
    const run = isComplete ? first : await runChecks(gather, { timeoutMs: TIMEOUT_MS });
    if (signal.aborted) return;
    const shown = isLogShown && first ? failuresOf(first) : [];
    const found = failuresOf(run);
    for (const finding of found) {
      if (shown.some(({ code, target }) => code === finding.code && target === finding.target)) continue;
      const check = checkOf(finding.code);
      const named = withAccountName(finding, check, parts.accounts);
      const line = `start: ${check.begun(named).en} ${check.advice(named).en}`;
      log[check.severity === 'error' ? 'error' : 'warn']({ check: finding.code }, line);
    }
    if (found.length === 0)
      log[isLogShown && isComplete ? 'debug' : 'info']('start: catalogue, queue and store respond');
  }

  const { promise: shown, resolve: onShown } = Promise.withResolvers<void>();
  const reporting = report(onShown)
    .catch((error) => log.warn({ err: error }, 'start: checks failed'))
    .finally(onShown);
  // Closing does not wait for a store that does not respond.
  const ended = untilAborted(reporting, signal).catch(() => undefined);
  shutdown.step('start report', () => ended);
  return show ? Promise.race([shown, ended]) : Promise.resolve();
}
