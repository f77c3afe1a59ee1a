/** Exports the list of checks as a metric. */
import type { Metrics } from '../../runtime/metrics.ts';
import type { Findings } from './findings.ts';

/** A check whose facts could not be read is not exported: 0 would mean that it has passed. */
export function updateCheckMetrics(
  { checkFailing }: Pick<Metrics, 'checkFailing'>,
  { known, found }: Findings,
): void {
  checkFailing.reset();
  for (const code of known) checkFailing.set({ code }, found.filter((one) => one.code === code).length);
}
