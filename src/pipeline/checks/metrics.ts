/** The list of checks as a metric. */
import type { Metrics } from '../../runtime/metrics.ts';
import type { Findings } from './findings.ts';

/** What is not known is not shown: 0 would say that all is well. */
export function updateCheckMetrics(
  { checkFailing }: Pick<Metrics, 'checkFailing'>,
  { known, found }: Findings,
): void {
  checkFailing.reset();
  for (const code of known) checkFailing.set({ code }, found.filter((one) => one.code === code).length);
}
