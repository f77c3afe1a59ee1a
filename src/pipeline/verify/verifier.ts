/** The runner of comparisons, in the sweeper's role: one at a time for the whole fleet, a page at a time, resumable. */
import { randomUUID } from 'node:crypto';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import type { Finding, Verification } from '../../catalogue/verification/verifications.ts';
import { FailureError } from '../../failures.ts';
import type { Log } from '../../runtime/log.ts';
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
  log: Pick<Log, 'info' | 'warn'>;
}

export interface VerifyOptions {
  /** Default 2,000: how often it is looked for work. */
  readonly everyMs?: number;
  /** Default a day. */
  readonly safeAgeMs?: number;
  /** Default 3,000: how often what is done is written down. */
  readonly pageMs?: number;
}

const LEASE = 'verification';
const LEASE_MS = 30_000;
const AGAIN_MS = 5_000;
const DAY_MS = 24 * 3_600_000;
/** Findings kept of one comparison; the counts go on. */
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

/** What counts as drift: catalogue and bucket contradict each other. */
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

function added(
  counts: Readonly<Record<string, number>>,
  looked: readonly CheckResult[],
): Record<string, number> {
  const sums = { ...counts };
  for (const { what } of looked) sums[what] = (sums[what] ?? 0) + 1;
  return sums;
}

export function createVerifier(
  deps: VerifierDeps,
  { everyMs = 2_000, safeAgeMs = DAY_MS, pageMs = 3_000 }: VerifyOptions = {},
) {
  const holder = randomUUID();
  const { catalogue, clock, log } = deps;
  const { verifications } = catalogue;
  const scanDeps: ScanDeps = { ...deps, safeAgeMs, pageMs };

  const renew = () => {
    const now = clock.now();
    return catalogue.leases.take(LEASE, holder, now, new Date(now.getTime() + LEASE_MS));
  };

  async function begin(asked: Verification): Promise<Verification | undefined> {
    const { kind, options } = asked;
    const archived = kind === 'adopt' ? undefined : await catalogue.objects.countArchived(filterOf(options));
    // A listing's length is known only at its end.
    const total =
      kind === 'verify' ? Math.min(options.sample ?? Number.POSITIVE_INFINITY, archived ?? 0) : undefined;
    log.info({ id: asked.id, kind, total, by: asked.by }, 'comparing catalogue and bucket');
    return await verifications.start(asked.id, total, clock.now());
  }

  /** Pages of one comparison until it ends, is stopped, or somebody else is at it. */
  async function carryOn(asked: Verification, signal: AbortSignal): Promise<void> {
    const by = { actor: asked.by, reason: asked.reason ?? `verification ${asked.id}` };
    const of = { id: asked.id, options: asked.options, by, ...createThrottles(asked.options, clock) };
    let state: Verification | undefined = asked.state === 'waiting' ? await begin(asked) : asked;
    const phases = state ? phasesOf(state) : [];
    while (state?.state === 'running') {
      signal.throwIfAborted();
      const cursor: string = state.cursor ?? `${phases[0]![0]}:`;
      const colon = cursor.indexOf(':');
      const at = phases.findIndex(([name]) => name === cursor.slice(0, colon));
      const [name, scan] = phases[at]!;
      const { results: looked, next } = await scan(scanDeps, of, cursor.slice(colon + 1), signal);
      const following = phases[at + 1];
      const room = FINDINGS_LIMIT - kept(state.counts);
      const findings = looked.flatMap(({ finding }): Finding[] => (finding ? [finding] : []));
      state = await verifications.savePage(
        state.id,
        {
          from: state.cursor,
          to: next !== undefined ? `${name}:${next}` : following ? `${following[0]}:` : 'end:',
          ended: next === undefined && !following,
          done: looked.length,
          bytes: looked.reduce((sum, one) => sum + (one.bytes ?? 0), 0),
          counts: added(state.counts, looked),
          findings: findings.slice(0, Math.max(0, room)),
        },
        clock.now(),
      );
    }
    if (state?.state !== 'done') return;
    const drift = driftOf(state.counts);
    const words = drift > 0 ? 'catalogue and bucket differ' : 'catalogue and bucket agree';
    log[drift > 0 ? 'warn' : 'info']({ id: state.id, kind: state.kind, ...state.counts }, words);
  }

  /** False: there is nothing to do, or another sweeper does it. */
  async function turn(signal: AbortSignal): Promise<boolean> {
    const asked = await verifications.getNext();
    if (!asked || !(await renew())) return false;
    const lost = new AbortController();
    const renewing = setInterval(() => {
      renew().then(
        (ours) => ours || lost.abort(new Error('another sweeper took over')),
        (error) => lost.abort(error),
      );
    }, LEASE_MS / 3);
    try {
      await carryOn(asked, AbortSignal.any([signal, lost.signal]));
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      log.warn({ err: error, id: asked.id }, 'a comparison stands still; it goes on by itself');
      const why = error instanceof FailureError ? error.message : 'something failed; the log has it';
      await verifications.saveProblem(asked.id, why, clock.now());
      await clock.sleep(AGAIN_MS, signal);
      return true;
    } finally {
      clearInterval(renewing);
    }
  }

  return {
    /** Until the signal aborts, then gives the lease back. Never rejects. */
    run: async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        const worked = await turn(signal).catch(() => false);
        if (!worked) await clock.sleep(everyMs, signal).catch(() => undefined);
      }
      await catalogue.leases.drop(LEASE, holder).catch(() => undefined);
    },
  };
}

/** How many findings the counts stand for: all that is not as it should be, or was done. */
function kept(counts: Readonly<Record<string, number>>): number {
  const quiet = new Set(['ok', 'known', 'probe', 'changed', 'outside']);
  return Object.entries(counts).reduce((sum, [what, n]) => sum + (quiet.has(what) ? 0 : n), 0);
}
