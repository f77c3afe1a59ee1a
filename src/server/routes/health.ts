/** Is it alive, is it ready: ready means a callback can be made durable; what else ails is in the body. */
import { CHECK_MS, type Check, check, seldom } from '../../assembly/checks.ts';
import type { AccountState } from '../../catalogue/accounts.ts';
import type { StoreHoldState } from '../../catalogue/store-hold.ts';
import type { Failure } from '../../failures.ts';
import type { IntakeState } from '../../pipeline/intake.ts';
import { liveness } from '../../vital-signs.ts';
import { isHeld } from '../account-json.ts';
import { LIVE, READY } from '../answers.ts';
import type { App, ServerDeps } from '../deps.ts';
import { languageOf } from '../problem.ts';
import { storeHoldWords } from '../store-hold-json.ts';

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

interface State {
  readonly catalogue: Check;
  readonly queue: Check;
  readonly store: Check;
  readonly accounts: readonly AccountState[];
  readonly hold: StoreHoldState | undefined;
}

export function healthRoutes(
  deps: Pick<ServerDeps, 'catalogue' | 'clock' | 'intake' | 'queue' | 'shutdown' | 'signs' | 'storeHealth'>,
) {
  /** One that is known to be away is not asked: every question would keep a connection for half a minute. */
  async function lookAtCatalogue(ask: () => Promise<void>): Promise<Check> {
    if (deps.intake.state.isAway) return { ok: false, reason: 'the catalogue does not answer' };
    const answer = await check('the catalogue', ask);
    if (!answer.ok) deps.intake.suspect();
    return answer;
  }

  /** Its code says which of the many things that can be wrong with a store is. */
  async function lookAtStore(signal: AbortSignal): Promise<Check> {
    let why: Failure | undefined;
    const answer = await check('the store', async () => {
      why = await deps.storeHealth.look(signal);
    });
    return why ? { ok: false, reason: why.code } : answer;
  }

  async function look(): Promise<State> {
    const signal = AbortSignal.timeout(CHECK_MS);
    let accounts: readonly AccountState[] = [];
    let hold: StoreHoldState | undefined;
    const [catalogue, queue, store] = await Promise.all([
      lookAtCatalogue(async () => {
        accounts = await deps.catalogue.accounts.states();
        hold = (await deps.catalogue.storeHold.read()).hold;
      }),
      check('the queue', () => deps.queue.counts(signal)),
      lookAtStore(signal),
    ]);
    return { catalogue, queue, store, accounts, hold };
  }

  const lookSometimes = seldom(look);

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
        const { code, body } = liveness(deps.signs);
        return reply.code(code).send(body);
      },
    );

    app.get(
      '/readyz',
      {
        config: { scope: 'open' },
        schema: { tags: ['health'], summary: '200 while a callback can be made durable', response: READY },
      },
      async (request, reply) => {
        const { catalogue, queue, store, accounts, hold } = await lookSometimes();
        const now = deps.clock.now();
        const held = accounts.filter((state) => isHeld(state, now));
        const closing = deps.shutdown.signal.aborted;
        const { isAway, spool } = deps.intake.state;
        const ready = ((catalogue.ok && !isAway) || spool?.isWritable === true) && !closing;
        const degraded = [
          ...spoolWords(spool),
          ...[catalogue, queue, store].flatMap(({ reason }) => reason ?? []),
          ...(hold ? [storeHoldWords(hold, languageOf(request))] : []),
          ...(held.length > 0 ? [`${held.length} account(s) held`] : []),
          ...deps.signs.list().map(({ part, what }) => `the ${part} ${what}`),
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
