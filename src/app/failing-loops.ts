/** Reports the background loops that fail as a condition of this process, for the list of checks. */
import type { Health } from '../runtime/health.ts';
import type { Metrics } from '../runtime/metrics.ts';

export function reportFailingLoops(health: Health, { loopFailing }: Pick<Metrics, 'loopFailing'>): void {
  health.addProbe(async () => {
    const { values } = await loopFailing.get();
    const loops = values.filter(({ value }) => value > 0).map(({ labels }) => String(labels.loop));
    if (loops.length === 0) return health.setHealthy('loop_failing');
    health.setUnhealthy('loop_failing', { count: loops.length, detail: { loops: loops.sort().join(', ') } });
  });
}
