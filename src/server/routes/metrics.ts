/** /metrics: Prometheus. The gauges are read from the catalogue when asked for. */

import { quotaOfToday } from '../../pipeline/archive/remaining-quota.ts';
import { updateCheckMetrics } from '../../pipeline/checks/metrics.ts';
import type { App, RouteDeps } from '../route-deps.ts';
import { isHeld } from '../views/account.ts';

const GROUPS_LIMIT = 500;
const docs = { tags: ['health'], summary: 'Prometheus metrics' };

export function metricsRoutes(deps: Pick<RouteDeps, 'catalogue' | 'clock' | 'look' | 'metrics'>) {
  const { catalogue, clock, metrics } = deps;

  async function refresh(): Promise<void> {
    const now = clock.now();
    const [stats, groups, accounts, store] = await Promise.all([
      catalogue.stats.read(now),
      catalogue.stats.deadLetterGroups(GROUPS_LIMIT),
      catalogue.accounts.states(),
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
    for (const one of accounts.filter((state) => isHeld(state, now))) {
      metrics.accountHeld.inc({ reason: one.hold?.code ?? 'unknown' });
    }
    const left = accounts.flatMap((one) =>
      one.tokenExpiresAt ? [(one.tokenExpiresAt.getTime() - now.getTime()) / 1000] : [],
    );
    metrics.tokenExpiresIn.set(left.length > 0 ? Math.min(...left) : Number.NaN);
  }

  /** What cannot be asked now is not what it was when last asked, nor 0. */
  function forget(): void {
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
    app.get('/metrics', { config: { scope: 'read' }, schema: docs }, async (_request, reply) => {
      // A catalogue that is away must not blind whoever watches: the counters are still true.
      await Promise.all([
        refresh().catch(forget),
        deps.look().then((look) => updateCheckMetrics(metrics, look)),
      ]);
      return reply
        .header('content-type', metrics.registry.contentType)
        .send(await metrics.registry.metrics());
    });
  };
}
