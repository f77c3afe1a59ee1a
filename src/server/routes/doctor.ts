/** POST /v1/doctor: everything tried once, and a sentence for whatever is to be fixed. */
import { examineStore } from '../../pipeline/examine-store.ts';
import { driftOf } from '../../pipeline/verify/run.ts';
import { explain } from '../../wechat/errcodes.ts';
import { isHeld } from '../account-json.ts';
import type { App, ServerDeps } from '../deps.ts';
import { type Language, languageOf } from '../problem.ts';
import { DOCTOR } from '../verification-answers.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
  readonly advice?: string | undefined;
}

const STORE_MS = 60_000;
const ANSWER_MS = 5_000;

type Deps = Pick<ServerDeps, 'accounts' | 'catalogue' | 'clock' | 'config' | 'queue' | 'store'>;

/** A part that answers or does not. */
async function answers(name: string, ask: () => Promise<string>, advice: string): Promise<Check> {
  try {
    return { name, ok: true, message: await ask() };
  } catch {
    return { name, ok: false, message: 'it does not answer', advice };
  }
}

async function checkAccounts(deps: Deps, language: Language): Promise<Check[]> {
  const states = await deps.catalogue.accounts.states();
  const now = deps.clock.now();
  return deps.accounts.all.map(({ account, name }) => {
    const state = states.find((one) => one.account === account) ?? { account };
    const label = `account ${name ?? account}`;
    if (isHeld(state, now) && state.hold) {
      const { message, advice } = explain(state.hold);
      return { name: label, ok: false, message: `held: ${message[language]}`, advice: advice[language] };
    }
    if (!state.lastCallbackAt)
      return {
        name: label,
        ok: false,
        message: 'no callback has ever come',
        advice:
          "Paste its callbackUrl (wma accounts) into WeChat's console and send a message; PUBLIC_URL is the server's address from outside.",
      };
    return { name: label, ok: true, message: `last callback ${state.lastCallbackAt.toISOString()}` };
  });
}

async function checkVerifications({ catalogue }: Deps): Promise<Check> {
  const name = 'catalogue against bucket';
  const last = (await catalogue.verifications.list(50)).find(
    ({ kind, state }) => kind === 'verify' && state === 'done',
  );
  if (!last) return { name, ok: true, message: 'never compared; wma verify does it' };
  const drift = driftOf(last.counts);
  const message = `${drift} of ${last.done} differed on ${last.endedAt?.toISOString()}`;
  return {
    name,
    ok: drift === 0,
    message,
    ...(drift > 0 && { advice: `See them: wma verify --watch ${last.id}` }),
  };
}

export function doctorRoutes(deps: Deps) {
  return async (app: App): Promise<void> => {
    app.post(
      '/v1/doctor',
      {
        config: { scope: 'admin' },
        schema: {
          tags: ['health'],
          summary: 'Look at everything, the store by writing to it, and say what to fix',
          response: { 200: DOCTOR },
        },
      },
      async (request) => {
        const language = languageOf(request);
        const { prefix } = deps.config.objects;
        const signal = () => AbortSignal.timeout(ANSWER_MS);
        const [catalogue, queue, store] = await Promise.all([
          answers(
            'catalogue',
            async () => {
              await deps.catalogue.ping();
              return 'it answers';
            },
            'Look at DATABASE_URL and at the database.',
          ),
          answers(
            'queue',
            async () => {
              const { waiting, active, delayed } = await deps.queue.counts(signal());
              return `${waiting} waiting, ${active} running, ${delayed} to be tried again`;
            },
            'Look at REDIS_URL and at Redis; accepted media wait in the catalogue meanwhile.',
          ),
          examineStore(deps.store, { prefix, clock: deps.clock, signal: AbortSignal.timeout(STORE_MS) }),
        ]);
        const rest = catalogue.ok
          ? [...(await checkAccounts(deps, language)), await checkVerifications(deps)]
          : [];
        const checks = [catalogue, queue, { name: 'store', ...store }, ...rest];
        return { ok: checks.every(({ ok }) => ok), checks };
      },
    );
  };
}
