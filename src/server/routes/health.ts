/** Is it alive, is it ready: ready means a callback can be made durable; what else ails is in the body. */
import type { AccountState } from '../../catalogue/accounts.ts';
import type { IntakeState } from '../../pipeline/intake.ts';
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

type SpoolState = IntakeState['spool'];

function spoolCheck(spool: SpoolState): Check {
  if (!spool) return { ok: false, reason: 'DATA_DIR cannot be written' };
  return spool.isWritable ? { ok: true } : { ok: false, reason: 'the spool is full, or its disk is' };
}

function spoolWords(spool: SpoolState): string[] {
  if (!spool) return ['no spool: DATA_DIR cannot be written'];
  const waiting = `${spool.records} record(s), ${spool.bytes} bytes, wait in the spool for the catalogue`;
  return [
    ...(spool.records > 0 ? [waiting] : []),
    ...(spool.isWritable ? [] : ['the spool is full, or its disk is']),
  ];
}

/** Whoever asks is not known to us: however often, the parts behind are asked once a second. */
const LOOK_EVERY_MS = 1_000;

interface State {
  readonly catalogue: Check;
  readonly queue: Check;
  readonly store: Check;
  readonly accounts: readonly AccountState[];
}

export function healthRoutes(
  deps: Pick<ServerDeps, 'catalogue' | 'clock' | 'intake' | 'queue' | 'shutdown' | 'store'>,
) {
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
        const { isAway, spool } = deps.intake.state;
        const ready = ((catalogue.ok && !isAway) || spool?.isWritable === true) && !closing;
        const degraded = [
          ...spoolWords(spool),
          ...[catalogue, queue, store].flatMap(({ reason }) => reason ?? []),
          ...(held.length > 0 ? [`${held.length} account(s) held`] : []),
        ];
        return reply.code(ready ? 200 : 503).send({
          status: ready ? (degraded.length > 0 ? 'degraded' : 'ok') : closing ? 'closing' : 'unavailable',
          degraded,
          checks: { catalogue, spool: spoolCheck(spool), queue, store },
          ...(spool ? { spool: { records: spool.records, bytes: spool.bytes } } : {}),
        });
      },
    );
  };
}
