/** Logs the failing checks at the start of a program: one line for each, with advice. */
import { findingsFor } from '../pipeline/checks/findings.ts';
import { checkOf } from '../pipeline/checks/table.ts';
import { settledWithin, untilAborted } from '../runtime/timeout.ts';
import type { AppContext } from './app-context.ts';
import { runChecks } from './checks.ts';

/** Longer than a request, with its retries, to a store that does not respond. */
const TIMEOUT_MS = 25_000;

const READY_MS = 10_000;

/**
 * Runs the checks in the background. With a consumer it first waits until the consumer is open or ten seconds have
 * passed. A worker does not report that no worker is alive, because its own heartbeat may not be written yet.
 */
export function reportAtStart(
  parts: Pick<AppContext, 'accounts' | 'gather' | 'log' | 'shutdown'>,
  consumer?: Promise<unknown>,
): void {
  const { gather, log, shutdown } = parts;
  async function report(): Promise<void> {
    if (consumer !== undefined) await settledWithin(consumer, READY_MS, shutdown.signal);
    const findings = await runChecks(gather, { timeoutMs: TIMEOUT_MS });
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
