/** Runs verifications in the processes that sweep: one at a time in all of them, page by page, resumable. */
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Finding, Verification } from '../../catalogue/verification/verifications.ts';
import { FailureError } from '../../failures.ts';
import { createLease } from '../../runtime/lease.ts';
import type { Log } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createPollLoop } from '../../runtime/poll-loop.ts';
import { scanObjects } from './objects.ts';
import { type CheckResult, createThrottles, type Scan, type ScanDeps } from './page.ts';
import { filterOf, scanRows, scanSample } from './rows.ts';

export interface VerifierDeps extends Omit<ScanDeps, 'safeAgeMs' | 'pageMs'> {
  catalogue: ScanDeps['catalogue'] & {
    objects: Pick<Catalogue['objects'], 'countArchived'>;
    leases: Pick<Catalogue['leases'], 'take' | 'drop'>;
  } & {
    verifications: Pick<Catalogue['verifications'], 'getNext' | 'start' | 'savePage' | 'saveProblem'>;
  };
  log: Pick<Log, 'info' | 'warn' | 'error'>;
  metrics: Pick<Metrics, 'backgroundErrors'>;
}

export interface VerifyOptions {
  /** How often the catalogue is polled for a verification. Default 2,000. */
  readonly everyMs?: number;
  /** Objects younger than this are never removed. Default: a day. */
  readonly safeAgeMs?: number;
  /** How often progress is recorded. Default 3,000. */
  readonly pageMs?: number;
}

const LEASE_MS = 30_000;
const RETRY_MS = 5_000;
const DAY_MS = 24 * 3_600_000;
/** The most findings stored of one verification. The counts are complete. */
const FINDINGS_LIMIT = 10_000;

type Phase = readonly [name: string, scan: Scan];

function phasesOf({ kind, options, total = 0 }: Verification): readonly Phase[] {
  if (kind === 'adopt') return [['objects', scanObjects('adopt')]];
  if (kind === 'orphans')
    return [
      ['objects', scanObjects('report')],
      ['rows', scanRows(options.all ? 'bytes' : 'headers')],
    ];
  const { sample = Number.POSITIVE_INFINITY } = options;
  return [sample > total ? ['rows', scanRows('bytes')] : ['sample', scanSample]];
}

/** The results that are drift: catalogue and bucket contradict each other. */
export const DRIFT = [
  'missing',
  'wrongSize',
  'wrongDigest',
  'otherMedia',
  'unreadable',
  'adoptable',
  'leftover',
  'erased',
] as const;

export function driftOf(counts: Readonly<Record<string, number>>): number {
  return DRIFT.reduce((sum, what) => sum + (counts[what] ?? 0), 0);
}

function addCounts(
  counts: Readonly<Record<string, number>>,
  results: readonly CheckResult[],
): Record<string, number> {
  const sums = { ...counts };
  for (const { what } of results) sums[what] = (sums[what] ?? 0) + 1;
  return sums;
}

export interface Verifier {
  /** Runs verifications until the signal aborts, then gives the lease back. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

export function createVerifier(
  deps: VerifierDeps,
  { everyMs = 2_000, safeAgeMs = DAY_MS, pageMs = 3_000 }: VerifyOptions = {},
): Verifier {
  const { catalogue, clock, log } = deps;
  const { verifications } = catalogue;
  const lease = createLease(
    { leases: catalogue.leases, clock },
    { name: 'verification', durationMs: LEASE_MS },
  );
  const scanDeps: ScanDeps = { ...deps, safeAgeMs, pageMs };
  let hasFailed = false;

  async function begin({ id, kind, options, by }: Verification): Promise<Verification | undefined> {
    const archived = kind === 'adopt' ? undefined : await catalogue.objects.countArchived(filterOf(options));
    // The length of a listing is known only at its end.
    const total =
      kind === 'verify' ? Math.min(options.sample ?? Number.POSITIVE_INFINITY, archived ?? 0) : undefined;
    log.info({ id, kind, total, by }, 'verifier: verification started');
    return await verifications.start(id, total, clock.now());
  }

  /** Verifies page by page until the verification ends, is stopped, or is continued by another process. */
  async function verify(verification: Verification, signal: AbortSignal): Promise<void> {
    const { id, options, reason = `verification ${id}` } = verification;
    const context = {
      id,
      options,
      by: { actor: verification.by, reason },
      ...createThrottles(options, clock),
    };
    let state: Verification | undefined =
      verification.state === 'waiting' ? await begin(verification) : verification;
    const phases = state ? phasesOf(state) : [];
    while (state?.state === 'running') {
      signal.throwIfAborted();
      const cursor: string = state.cursor ?? `${phases[0]![0]}:`;
      const colon = cursor.indexOf(':');
      const index = phases.findIndex(([name]) => name === cursor.slice(0, colon));
      const [name, scan] = phases[index]!;
      const { results, next } = await scan(scanDeps, context, cursor.slice(colon + 1), signal);
      const following = phases[index + 1];
      const findingsLeft = Math.max(0, FINDINGS_LIMIT - countFindings(state.counts));
      const findings = results.flatMap(({ finding }): Finding[] => (finding ? [finding] : []));
      state = await verifications.savePage(
        state.id,
        {
          from: state.cursor,
          to: next !== undefined ? `${name}:${next}` : following ? `${following[0]}:` : 'end:',
          ended: next === undefined && !following,
          done: results.length,
          bytes: results.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
          counts: addCounts(state.counts, results),
          findings: findings.slice(0, findingsLeft),
        },
        clock.now(),
      );
    }
    if (state?.state !== 'done') return;
    const hasDrift = driftOf(state.counts) > 0;
    log[hasDrift ? 'warn' : 'info'](
      { id: state.id, kind: state.kind, ...state.counts },
      `verifier: verification done, ${hasDrift ? 'catalogue and bucket differ' : 'no drift'}`,
    );
  }

  /** Resolves with false where there is nothing to do, or another process does it. */
  async function runNext(signal: AbortSignal): Promise<boolean> {
    const verification = await verifications.getNext();
    if (!verification || !(await lease.take())) return false;
    try {
      await lease.whileHeld((held) => verify(verification, held), signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const problem = error instanceof FailureError ? error.message : 'something failed; see the log';
      await verifications.saveProblem(verification.id, problem, clock.now());
      throw new Error(`the verification ${verification.id} was interrupted`, { cause: error });
    }
  }

  const loop = createPollLoop({
    name: 'verifier',
    everyMs,
    log,
    metrics: deps.metrics,
    lease,
    work: async (signal) => {
      hasFailed = true;
      const isBusy = await runNext(signal);
      hasFailed = false;
      return isBusy ? 0 : undefined;
    },
    sleep: (ms, signal) => clock.sleep(hasFailed ? RETRY_MS : ms, signal),
  });

  return { run: loop.run };
}

/** Counts the findings: every result that is neither as it should be nor outside the verification. */
function countFindings(counts: Readonly<Record<string, number>>): number {
  const quiet = new Set(['ok', 'known', 'probe', 'changed', 'outside']);
  return Object.entries(counts).reduce((sum, [what, n]) => sum + (quiet.has(what) ? 0 : n), 0);
}
