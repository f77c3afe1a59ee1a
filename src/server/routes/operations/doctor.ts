/** POST /v1/doctor: runs every check now, writes to the store, and returns all findings with advice. */
import { z } from 'zod';
import { COMPONENTS, type Facts } from '../../../pipeline/checks/check.ts';
import { findingsOf } from '../../../pipeline/checks/findings.ts';
import { checkStore } from '../../../pipeline/maintenance/store-check.ts';
import { type Language, languageOf } from '../../problem.ts';
import type { App, RouteDeps } from '../../route-deps.ts';
import { findingsJson } from '../../views/finding.ts';

const STORE_TIMEOUT_MS = 60_000;

const doctorSchema: z.ZodType = z.object({
  ok: z.boolean(),
  checks: z.array(
    z.object({
      name: z.string(),
      ok: z.boolean(),
      message: z.string().describe('what the check observed'),
      advice: z.string().optional().describe('what to do'),
      code: z.string().optional().describe('the check of docs/operations.md that found it'),
      severity: z.enum(['error', 'warning', 'notice']).optional(),
    }),
  ),
});

const doctorExample = {
  ok: true,
  checks: [
    { name: 'catalogue', ok: true, message: 'it responds' },
    { name: 'queue', ok: true, message: '0 waiting, 0 running, 0 to be retried' },
  ],
};

type Deps = Pick<RouteDeps, 'accounts' | 'clock' | 'config' | 'runChecks' | 'store'>;

/**
 * Returns a line for each component, which is shown if the component has no findings. Accounts and the verification
 * have separate lines.
 */
function observationsOf(
  { queue, storeFindings, workers, processes, webhooks }: Facts,
  language: Language,
): Partial<Record<(typeof COMPONENTS)[number], string>> {
  const { waiting = 0, active = 0, delayed = 0 } = (queue?.ok && queue.counts) || {};
  return {
    catalogue: 'it responds',
    spool: 'nothing waits in it',
    queue: `${waiting} waiting, ${active} running, ${delayed} to be retried`,
    ...(storeFindings?.[0] ? { store: storeFindings[0].message[language] } : {}),
    ...(webhooks ? { webhooks: 'none is failing' } : {}),
    ...(workers ? { workers: `${workers.alive} alive` } : {}),
    ...(processes ? { process: `${processes.length} alive; ${clocksOf(processes)}` } : {}),
  };
}

/** Describes the differences between the clocks of the processes and the clock of the database. */
function clocksOf(processes: NonNullable<Facts['processes']>): string {
  const aheadMs = processes.flatMap(({ clockAheadMs }) => clockAheadMs ?? []);
  if (aheadMs.length === 0) return 'their clocks are not compared yet';
  const maxAheadMs = Math.max(...aheadMs.map(Math.abs));
  return `their clocks are within ${(maxAheadMs / 1000).toFixed(1)} s of the database's`;
}

export function doctorRoutes(deps: Deps) {
  return async (app: App): Promise<void> => {
    app.post(
      '/v1/doctor',
      {
        config: { scope: 'admin' },
        schema: {
          tags: ['health'],
          operationId: 'runDoctor',
          summary: 'Run every check now',
          description: 'Also writes to the store. Returns all findings with advice.',
          response: { 200: doctorSchema },
          examples: { response: { 200: doctorExample } },
        },
      },
      async (request) => {
        const { prefix } = deps.config.objects;
        const [findings, storeFindings] = await Promise.all([
          deps.runChecks(),
          checkStore(deps.store, {
            prefix,
            clock: deps.clock,
            signal: AbortSignal.timeout(STORE_TIMEOUT_MS),
          }),
        ]);
        const facts: Facts = { ...findings.facts, storeFindings };
        const language = languageOf(request);
        const viewer = { language, accounts: undefined };
        const found = findingsJson('doctor', findingsOf(facts), viewer, deps.accounts);
        const nameOf = (account: string) => `account ${deps.accounts.find(account)?.name ?? account}`;
        const failing = found.map(({ part, account, severity, message, advice, code }) => ({
          name: account === undefined ? part : nameOf(account),
          ok: severity === 'notice',
          message,
          advice,
          code,
          severity,
        }));
        const passing = (name: string, message: string | undefined) =>
          message === undefined || failing.some((check) => check.name === name)
            ? []
            : [{ name, ok: true, message }];
        const observations = observationsOf(facts, language);
        const checks = [
          ...COMPONENTS.flatMap((part) => [
            ...failing.filter(({ name }) => name === part),
            ...passing(part, observations[part]),
          ]),
          ...(facts.accounts ?? []).flatMap(({ account, lastCallbackAt }) => [
            ...failing.filter(({ name }) => name === nameOf(account)),
            ...passing(nameOf(account), lastCallbackAt && `last callback ${lastCallbackAt.toISOString()}`),
          ]),
          ...(facts.drift || !facts.catalogue?.ok
            ? []
            : [{ name: 'catalogue against bucket', ok: true, message: 'never compared; run wma verify' }]),
        ];
        return { ok: checks.every(({ ok }) => ok), checks };
      },
    );
  };
}
