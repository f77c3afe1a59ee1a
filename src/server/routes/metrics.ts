/** GET /metrics, for Prometheus. The gauges are read from the catalogue at each scrape. */
import { z } from 'zod';
import type { DueCount } from '../../catalogue/queue/due.ts';
import { quotaOfToday } from '../../pipeline/archive/remaining-quota.ts';
import type { Facts } from '../../pipeline/checks/check.ts';
import { updateCheckMetrics } from '../../pipeline/checks/metrics.ts';
import { isHeld } from '../../pipeline/views/account-hold.ts';
import type { App, RouteDeps } from '../route-deps.ts';

const GROUP_LIMIT = 500;

/** NaN where there is none: 0 would mean that something is used up. */
const smallest = (values: readonly number[]) => (values.length > 0 ? Math.min(...values) : Number.NaN);

export function metricsRoutes(
  deps: Pick<RouteDeps, 'accounts' | 'catalogue' | 'clock' | 'metrics' | 'runChecks'>,
) {
  const { accounts: configured, catalogue, clock, metrics } = deps;

  /** More workers do not help an account beyond its concurrency, which all workers share. */
  function takeable({ account, due, running }: DueCount): number {
    const { concurrency = 0 } = configured.find(account) ?? {};
    return Math.min(due, Math.max(0, concurrency - running));
  }

  function updateFacts({ workers, queue }: Facts): void {
    metrics.workers.set(workers?.alive ?? Number.NaN);
    metrics.queueJobs.reset();
    if (!queue?.ok || !queue.counts) return;
    const { waiting, active, delayed } = queue.counts;
    for (const [state, count] of Object.entries({ waiting, active, delayed }))
      metrics.queueJobs.set({ state }, count);
  }

  async function updateGauges(): Promise<void> {
    const now = clock.now();
    const [stats, due, groups, accounts, store] = await Promise.all([
      catalogue.stats.read(now),
      catalogue.queue.dueCounts(
        configured.all.map(({ account }) => account),
        now,
      ),
      catalogue.stats.deadLetterGroups(GROUP_LIMIT),
      catalogue.accounts.list(),
      catalogue.storeHold.read(),
    ]);
    metrics.backlog.reset();
    for (const [reason, count] of Object.entries(stats.waiting)) metrics.backlog.set({ reason }, count);
    for (const [left, count] of Object.entries(stats.backlog)) metrics.backlogTimeLeft.set({ left }, count);
    metrics.due.set(due.reduce((sum, one) => sum + takeable(one), 0));
    metrics.atRisk.set(stats.atRisk);
    metrics.tightestExpiry.set(stats.tightestExpirySeconds ?? Number.NaN);
    metrics.oldestPending.set(stats.oldestPendingSeconds ?? 0);
    metrics.deadLetters.reset();
    for (const { errcode, code, count } of groups) {
      metrics.deadLetters.inc({ errcode: String(errcode ?? code) }, count);
    }
    const quotas = accounts.flatMap(({ quota }) => quotaOfToday(quota, now) ?? []);
    metrics.quotaRemaining.set(smallest(quotas.map(({ remain }) => remain)));
    metrics.quotaRemainingRatio.set(
      smallest(quotas.filter(({ dailyLimit }) => dailyLimit > 0).map((one) => one.remain / one.dailyLimit)),
    );
    metrics.storeHeld.set(store.hold ? 1 : 0);
    metrics.accountHeld.reset();
    for (const { hold } of accounts.filter((state) => isHeld(state, now))) {
      metrics.accountHeld.inc({ reason: hold?.code ?? 'unknown' });
    }
    const secondsLeft = accounts.flatMap(({ tokenExpiresAt }) =>
      tokenExpiresAt ? [(tokenExpiresAt.getTime() - now.getTime()) / 1000] : [],
    );
    metrics.tokenExpiresIn.set(smallest(secondsLeft));
  }

  /** Clears the gauges whose values cannot be read now: their last value would be wrong, and so would 0. */
  function clearGauges(): void {
    const { backlog, backlogTimeLeft, deadLetters, accountHeld } = metrics;
    for (const gauge of [backlog, backlogTimeLeft, deadLetters, accountHeld]) gauge.reset();
    for (const gauge of [
      metrics.due,
      metrics.atRisk,
      metrics.tightestExpiry,
      metrics.oldestPending,
      metrics.quotaRemaining,
      metrics.quotaRemainingRatio,
      metrics.storeHeld,
      metrics.tokenExpiresIn,
    ])
      gauge.set(Number.NaN);
  }

  return async (app: App): Promise<void> => {
    app.get(
      '/metrics',
      {
        config: { scope: 'read' },
        schema: {
          tags: ['health'],
          operationId: 'getMetrics',
          summary: 'Get the metrics for Prometheus',
          description: 'docs/operations.md lists them.',
          response: { 200: z.string().describe('the text format of Prometheus') as z.ZodType },
          contentTypes: { 200: ['text/plain'] },
          examples: { response: { 200: 'wma_at_risk 0\n' } },
        },
      },
      async (_request, reply) => {
        // While the catalogue is unavailable the counters are still correct, and monitoring needs them most.
        await Promise.all([
          updateGauges().catch(clearGauges),
          deps.runChecks().then((run) => {
            updateCheckMetrics(metrics, run);
            updateFacts(run.facts);
          }),
        ]);
        return reply
          .header('content-type', metrics.registry.contentType)
          .send(await metrics.registry.metrics());
      },
    );
  };
}
