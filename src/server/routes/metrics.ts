/** GET /metrics, for Prometheus. The gauges are read from the catalogue at each scrape. */
import { quotaOfToday } from '../../pipeline/archive/remaining-quota.ts';
import { updateCheckMetrics } from '../../pipeline/checks/metrics.ts';
import { isHeld } from '../../pipeline/views/account-hold.ts';
import type { App, RouteDeps } from '../route-deps.ts';

const GROUP_LIMIT = 500;

export function metricsRoutes(deps: Pick<RouteDeps, 'catalogue' | 'clock' | 'metrics' | 'runChecks'>) {
  const { catalogue, clock, metrics } = deps;

  async function updateGauges(): Promise<void> {
    const now = clock.now();
    const [stats, groups, accounts, store] = await Promise.all([
      catalogue.stats.read(now),
      catalogue.stats.deadLetterGroups(GROUP_LIMIT),
      catalogue.accounts.list(),
      catalogue.storeHold.read(),
    ]);
    metrics.backlog.reset();
    for (const [reason, count] of Object.entries(stats.waiting)) metrics.backlog.set({ reason }, count);
    metrics.atRisk.set(stats.atRisk);
    metrics.tightestExpiry.set(stats.tightestExpirySeconds ?? Number.NaN);
    metrics.oldestPending.set(stats.oldestPendingSeconds ?? 0);
    metrics.deadLetters.reset();
    for (const { errcode, code, count } of groups) {
      metrics.deadLetters.inc({ errcode: String(errcode ?? code) }, count);
    }
    const remaining = accounts.flatMap(({ quota }) => quotaOfToday(quota, now)?.remain ?? []);
    metrics.quotaRemaining.set(remaining.length > 0 ? Math.min(...remaining) : Number.NaN);
    metrics.storeHeld.set(store.hold ? 1 : 0);
    metrics.accountHeld.reset();
    for (const { hold } of accounts.filter((state) => isHeld(state, now))) {
      metrics.accountHeld.inc({ reason: hold?.code ?? 'unknown' });
    }
    const secondsLeft = accounts.flatMap(({ tokenExpiresAt }) =>
      tokenExpiresAt ? [(tokenExpiresAt.getTime() - now.getTime()) / 1000] : [],
    );
    metrics.tokenExpiresIn.set(secondsLeft.length > 0 ? Math.min(...secondsLeft) : Number.NaN);
  }

  /** Clears the gauges whose values cannot be read now: their last value would be wrong, and so would 0. */
  function clearGauges(): void {
    for (const gauge of [metrics.backlog, metrics.deadLetters, metrics.accountHeld]) gauge.reset();
    for (const gauge of [
      metrics.atRisk,
      metrics.tightestExpiry,
      metrics.oldestPending,
      metrics.quotaRemaining,
      metrics.storeHeld,
      metrics.tokenExpiresIn,
    ])
      gauge.set(Number.NaN);
  }

  return async (app: App): Promise<void> => {
    app.get(
      '/metrics',
      { config: { scope: 'read' }, schema: { tags: ['health'], summary: 'Prometheus metrics' } },
      async (_request, reply) => {
        // While the catalogue is unavailable the counters are still correct, and monitoring needs them most.
        await Promise.all([
          updateGauges().catch(clearGauges),
          deps.runChecks().then((findings) => updateCheckMetrics(metrics, findings)),
        ]);
        return reply
          .header('content-type', metrics.registry.contentType)
          .send(await metrics.registry.metrics());
      },
    );
  };
}
