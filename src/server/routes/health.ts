/** Is it alive, is it ready: ready means a callback can be made durable; what else ails is in the body. */
import type { AccountState } from '../../catalogue/accounts.ts';
import { isHeld } from '../account-json.ts';
import { READY } from '../answers.ts';
import type { App, ServerDeps } from '../deps.ts';

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

/** Whoever asks is not known to us: however often, the parts behind are asked once a second. */
const LOOK_EVERY_MS = 1_000;

interface State {
  readonly catalogue: Check;
  readonly queue: Check;
  readonly store: Check;
  readonly accounts: readonly AccountState[];
}

export function healthRoutes(deps: Pick<ServerDeps, 'catalogue' | 'queue' | 'store' | 'shutdown' | 'clock'>) {
  let last: { at: number; state: Promise<State> } | undefined;

  async function look(): Promise<State> {
    const signal = AbortSignal.timeout(CHECK_MS);
    let accounts: readonly AccountState[] = [];
    const [catalogue, queue, store] = await Promise.all([
      check('the catalogue', async () => {
        accounts = await deps.catalogue.accounts.states();
      }),
      check('the queue', () => deps.queue.counts(signal)),
      check('the store', () => deps.store.head('.ready', signal)),
    ]);
    return { catalogue, queue, store, accounts };
  }

  function lookSometimes(): Promise<State> {
    if (!last || performance.now() - last.at > LOOK_EVERY_MS) last = { at: performance.now(), state: look() };
    return last.state;
  }

  return async (app: App): Promise<void> => {
    app.get(
      '/livez',
      { config: { scope: 'open' }, schema: { tags: ['health'], summary: 'The process answers' } },
      async () => ({ status: 'ok' }),
    );

    app.get(
      '/readyz',
      {
        config: { scope: 'open' },
        schema: { tags: ['health'], summary: '200 while a callback can be made durable', response: READY },
      },
      async (_request, reply) => {
        const { catalogue, queue, store, accounts } = await lookSometimes();
        const now = deps.clock.now();
        const held = accounts.filter((state) => isHeld(state, now));
        const closing = deps.shutdown.signal.aborted;
        const ready = catalogue.ok && !closing;
        const degraded = [
          ...[queue, store].flatMap(({ reason }) => reason ?? []),
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
