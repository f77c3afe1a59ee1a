/** Is it alive, is it ready: ready means a callback can be made durable; what else ails is in the body. */
import type { App, ServerDeps } from '../app.ts';

const CHECK_MS = 2_000;

interface Check {
  readonly ok: boolean;
  readonly reason?: string;
}

/** The answer within 2 s, or that there was none. */
async function check(name: string, probe: () => Promise<unknown>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Check>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, reason: `${name} did not answer in time` }), CHECK_MS);
  });
  const answer = probe().then(
    (): Check => ({ ok: true }),
    (): Check => ({ ok: false, reason: `${name} does not answer` }),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function healthRoutes(deps: Pick<ServerDeps, 'catalogue' | 'queue' | 'store' | 'shutdown' | 'clock'>) {
  return async (app: App): Promise<void> => {
    app.get('/livez', { schema: { tags: ['health'], summary: 'The process answers' } }, async () => ({
      status: 'ok',
    }));

    app.get(
      '/readyz',
      { schema: { tags: ['health'], summary: '200 while a callback can be made durable' } },
      async (_request, reply) => {
        const signal = AbortSignal.timeout(CHECK_MS);
        const [catalogue, queue, store, accounts] = await Promise.all([
          check('the catalogue', () => deps.catalogue.ping()),
          check('the queue', () => deps.queue.counts(signal)),
          check('the store', () => deps.store.head('.ready', signal)),
          deps.catalogue.accounts.states().catch(() => []),
        ]);
        const now = deps.clock.now();
        const held = accounts.filter((state) => state.heldUntil && state.heldUntil > now);
        const closing = deps.shutdown.signal.aborted;
        const ready = catalogue.ok && !closing;
        const degraded = [
          ...(queue.ok ? [] : [queue.reason]),
          ...(store.ok ? [] : [store.reason]),
          ...(held.length > 0 ? [`${held.length} account(s) held`] : []),
        ];
        return reply.code(ready ? 200 : 503).send({
          status: ready ? (degraded.length > 0 ? 'degraded' : 'ok') : closing ? 'closing' : 'unavailable',
          degraded,
          checks: { catalogue, queue, store },
        });
      },
    );
  };
}
