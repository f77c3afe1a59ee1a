/** What does not work at the start of a program: a line each, with its cure, from the list of checks. */

import { findingsFor } from '../pipeline/checks/findings.ts';
import { checkOf } from '../pipeline/checks/table.ts';
import { systemClock } from '../runtime/clock.ts';
import type { AppContext } from './app-context.ts';
import { runChecks } from './checks.ts';

/** Longer than a request to a store that does not respond, with its repeats. */
const WITHIN_MS = 25_000;

const READY_MS = 10_000;

/**
 * In the background. A process with a consumer waits until it is open or ten seconds have passed. Its own heartbeat may
 * still be on its way then: that no worker is alive is not for a worker to say.
 */
export function reportAtStart(
  parts: Pick<AppContext, 'accounts' | 'gather' | 'log' | 'shutdown'>,
  consumer?: Promise<unknown>,
): void {
  const { gather, log, shutdown } = parts;
  async function report(): Promise<void> {
    const limit = systemClock.sleep(READY_MS, shutdown.signal);
    await Promise.race([consumer, limit]).catch(() => undefined);
    const findings = await runChecks(gather, { withinMs: WITHIN_MS });
    if (shutdown.signal.aborted) return;
    const found = findingsFor('readyz', findings).filter(
      ({ code }) => !(consumer && code === 'workers_missing'),
    );
    for (const finding of found) {
      const { begun, advice, severity, target } = checkOf(finding.code);
      const named = target === 'account' ? parts.accounts.find(finding.target)?.name : undefined;
      const said = { ...finding, target: named ?? finding.target };
      const line = `start: ${begun(said).en} ${advice(said).en}`;
      log[severity === 'error' ? 'error' : 'warn']({ check: finding.code }, line);
    }
    if (found.length === 0) log.info('start: catalogue, queue and store respond');
  }
  const reporting = report().catch((error) =>
    log.warn({ err: error }, 'start: the checks could not be made'),
  );
  // Closing does not wait for a store that is silent.
  const ended = new Promise<void>((resolve) =>
    shutdown.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  shutdown.step('start report', () => Promise.race([reporting, ended]));
}
