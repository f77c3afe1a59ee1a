/** POST /v1/doctor: everything tried once, and a sentence for whatever is to be fixed. */
import { COMPONENTS, type Facts } from '../../../pipeline/checks/check.ts';
import { findingsOf } from '../../../pipeline/checks/findings.ts';
import { checkStore } from '../../../pipeline/maintenance/store-check.ts';
import { type Language, languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { findingsJson } from '../../views/finding.ts';
import { DOCTOR } from './verification-schemas.ts';

const STORE_MS = 60_000;

type Deps = Pick<RouteDeps, 'accounts' | 'clock' | 'config' | 'look' | 'store'>;

/** What was seen where nothing is found, by part. The accounts and the comparison have lines of their own. */
function seenIn(
  { queue, storeFindings: storeExamined, workers, processes }: Facts,
  language: Language,
): Partial<Record<(typeof COMPONENTS)[number], string>> {
  const { waiting = 0, active = 0, delayed = 0 } = (queue?.ok && queue.counts) || {};
  return {
    catalogue: 'it answers',
    spool: 'nothing waits in it',
    queue: `${waiting} waiting, ${active} running, ${delayed} to be tried again`,
    ...(storeExamined?.[0] ? { store: storeExamined[0].message[language] } : {}),
    ...(workers ? { workers: `${workers.alive} alive` } : {}),
    ...(processes ? { process: `${processes.length} alive; ${clocksOf(processes)}` } : {}),
  };
}

/** The database's clock is the one that all are compared with. */
function clocksOf(processes: NonNullable<Facts['processes']>): string {
  const aheadMs = processes.flatMap(({ clockAheadMs }) => clockAheadMs ?? []);
  if (aheadMs.length === 0) return 'their clocks are not compared yet';
  const most = Math.max(...aheadMs.map(Math.abs));
  return `their clocks are within ${(most / 1000).toFixed(1)} s of the database's`;
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
        const { prefix } = deps.config.objects;
        const [look, storeExamined] = await Promise.all([
          deps.look(),
          checkStore(deps.store, { prefix, clock: deps.clock, signal: AbortSignal.timeout(STORE_MS) }),
        ]);
        const facts: Facts = { ...look.facts, storeFindings: storeExamined };
        const language = languageOf(request);
        const reader = { language, accounts: undefined };
        const found = findingsJson('doctor', findingsOf(facts), reader, deps.accounts);
        const nameOf = (account: string) => `account ${deps.accounts.find(account)?.name ?? account}`;
        const bad = found.map(({ part, account, severity, message, advice, code }) => ({
          name: account === undefined ? part : nameOf(account),
          ok: severity === 'notice',
          message,
          advice,
          code,
          severity,
        }));
        const good = (name: string, message: string | undefined) =>
          message === undefined || bad.some((one) => one.name === name) ? [] : [{ name, ok: true, message }];
        const seen = seenIn(facts, language);
        const checks = [
          ...COMPONENTS.flatMap((part) => [
            ...bad.filter(({ name }) => name === part),
            ...good(part, seen[part]),
          ]),
          ...(facts.accounts ?? []).flatMap(({ account, lastCallbackAt }) => [
            ...bad.filter(({ name }) => name === nameOf(account)),
            ...good(nameOf(account), lastCallbackAt && `last callback ${lastCallbackAt.toISOString()}`),
          ]),
          ...(facts.drift || !facts.catalogue?.ok
            ? []
            : [
                { name: 'catalogue against bucket', ok: true, message: 'never compared; wma verify does it' },
              ]),
        ];
        return { ok: checks.every(({ ok }) => ok), checks };
      },
    );
  };
}
