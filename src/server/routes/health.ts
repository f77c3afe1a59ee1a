/** Is it alive, is it ready: ready means a callback can be made durable; what else ails is in the body. */
import { readinessOf } from '../../pipeline/checks/findings.ts';
import { liveness } from '../../runtime/health.ts';
import type { App, RouteDeps } from '../route-deps.ts';
import { LIVE, READY } from './health-schemas.ts';

export function healthRoutes(deps: Pick<RouteDeps, 'intake' | 'look' | 'shutdown' | 'health'>) {
  return async (app: App): Promise<void> => {
    app.get(
      '/livez',
      {
        config: { scope: 'open' },
        schema: {
          tags: ['health'],
          summary: '200 unless only a restart of the process helps',
          response: LIVE,
        },
      },
      async (_request, reply) => {
        const { code, body } = liveness(deps.health);
        return reply.code(code).send(body);
      },
    );

    app.get(
      '/readyz',
      {
        config: { scope: 'open' },
        schema: { tags: ['health'], summary: '200 while a callback can be made durable', response: READY },
      },
      async (_request, reply) => {
        const look = await deps.look();
        const { degraded, checks } = readinessOf(look);
        const closing = deps.shutdown.signal.aborted;
        const { isDatabaseDown: isAway, spool } = deps.intake.state;
        const ready = ((look.facts.catalogue?.ok && !isAway) || spool?.isWritable === true) && !closing;
        return reply.code(ready ? 200 : 503).send({
          status: ready ? (degraded.length > 0 ? 'degraded' : 'ok') : closing ? 'closing' : 'unavailable',
          degraded,
          checks,
          ...(spool ? { spool: { records: spool.records, bytes: spool.bytes } } : {}),
        });
      },
    );
  };
}
