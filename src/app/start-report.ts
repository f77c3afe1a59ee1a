/** Logs what does not work at the start of a program: a line for each failing check, with its cure. */
import { findingsFor } from '../pipeline/checks/findings.ts';
import { checkOf } from '../pipeline/checks/table.ts';
import { settledWithin, untilAborted } from '../runtime/timeout.ts';
import type { AppContext } from './app-context.ts';
import { runChecks } from './checks.ts';

/** Longer than a request to a store that does not respond, with its retries. */
const WITHIN_MS = 25_000;

const READY_MS = 10_000;

/**
 * Runs in the background. A process with a consumer waits until that is open or ten seconds have passed. Its own
 * heartbeat may not be written then, so a worker does not report that no worker is alive.
 */
export function reportAtStart(
  parts: Pick<AppContext, 'accounts' | 'gather' | 'log' | 'shutdown'>,
  consumer?: Promise<unknown>,
): void {
  const { gather, log, shutdown } = parts;
  async function report(): Promise<void> {
    if (consumer !== undefined) await settledWithin(consumer, READY_MS, shutdown.signal);
    const findings = await runChecks(gather, { withinMs: WITHIN_MS });
    if (shutdown.signal.aborted) return;
    const found = findingsFor('readyz', findings).filter(
      ({ code }) => !(consumer && code === 'workers_missing'),
    );
    for (const finding of found) {
      const { begun, advice, severity, target } = checkOf(finding.code);
      const named = target === 'account' ? parts.accounts.find(finding.target)?.name : undefined;
      const shown = { ...finding, target: named ?? finding.target };
      const line = `start: ${begun(shown).en} ${advice(shown).en}`;
      log[severity === 'error' ? 'error' : 'warn']({ check: finding.code }, line);
    }
    if (found.length === 0) log.info('start: catalogue, queue and store respond');
  }
  const reporting = report().catch((error) => log.warn({ err: error }, 'start: checks failed'));
  // Closing does not wait for a store that does not respond.
  const ended = untilAborted(reporting, shutdown.signal).catch(() => undefined);
  shutdown.step('start report', () => ended);
}
