/** Runs the list of checks for a program, with limits for time and frequency. */
import { hostname } from 'node:os';
import type { Config } from '../config/config.ts';
import type { Facts } from '../pipeline/checks/check.ts';
import { type Findings, findingsOf } from '../pipeline/checks/findings.ts';
import { createFactGatherer, type FactGatherer, type FactGathererDeps } from '../pipeline/checks/gather.ts';
import { freeBytes } from '../runtime/disk/disk-space.ts';
import type { Health } from '../runtime/health.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { settledWithin, withTimeout } from '../runtime/timeout.ts';

/** The timeout for the response of each part. */
export const CHECK_MS = 2_000;

/** Returns `host (program, pid)`, the target of findings about this process. */
export const processName = (program: string): string => `${hostname()} (${program}, ${process.pid})`;

export function createProgramFacts(
  deps: Omit<FactGathererDeps, 'process'> & {
    config: Pick<Config, 'dataFolder' | 'shape'>;
    health: Health;
    metrics: Pick<Metrics, 'backgroundErrors' | 'loopFailing'>;
  },
  program: string,
): FactGatherer {
  const { config, health } = deps;
  const floorBytes = floorOf(config, program);
  if (floorBytes !== undefined) {
    health.addProbe(async () => {
      if ((await freeBytes(config.dataFolder)) < floorBytes) health.setUnhealthy('disk_floor');
      else health.setHealthy('disk_floor');
    });
  }
  health.addProbe(() => reportFailingLoops(health, deps.metrics));
  return createFactGatherer({ ...deps, process: processName(program) });
}

/** Reports the background loops that fail again and again as one condition of this process. */
async function reportFailingLoops(
  health: Health,
  { loopFailing }: Pick<Metrics, 'loopFailing'>,
): Promise<void> {
  const { values } = await loopFailing.get();
  const loops = values.filter(({ value }) => value > 0).map(({ labels }) => String(labels.loop));
  if (loops.length === 0) return health.setHealthy('loop_failing');
  health.setUnhealthy('loop_failing', { count: loops.length, detail: { loops: loops.sort().join(', ') } });
}

const MIB = 1024 * 1024;

/**
 * Returns the free space below which the embedded parts or the spool stop writing; undefined: the program writes
 * nothing in DATA_DIR.
 */
function floorOf({ shape }: Pick<Config, 'shape'>, program: string): number | undefined {
  if (shape.database === 'embedded' || shape.store === 'embedded') return 256 * MIB;
  return ['all', 'server'].includes(program) ? 64 * MIB : undefined;
}

export interface CheckRun extends Findings {
  readonly facts: Facts;
}

/**
 * Reads all facts within 2 s (or `timeoutMs`) and computes the findings. A part that does not respond in this time is
 * found to be unavailable; after `unknownAfterMs`, if that is shorter, its facts are left out instead. A catalogue that
 * is known to be unavailable is not queried, because each query would occupy a connection for half a minute.
 */
export async function runChecks(
  gather: FactGatherer,
  catalogue: {
    isDatabaseDown?: () => boolean;
    suspect?: () => void;
    accounts?: readonly string[];
    timeoutMs?: number;
    unknownAfterMs?: number;
  } = {},
): Promise<CheckRun> {
  const { timeoutMs = CHECK_MS, unknownAfterMs } = catalogue;
  const unlessLate = async (facts: Promise<Partial<Facts>>): Promise<Partial<Facts>> =>
    unknownAfterMs === undefined || (await settledWithin(facts, unknownAfterMs)) ? facts : {};
  const signal = AbortSignal.timeout(timeoutMs);
  const factsOfCatalogue = async (): Promise<Partial<Facts>> => {
    if (catalogue.isDatabaseDown?.()) return { catalogue: { ok: false } };
    const facts = await resultWithin(gather.catalogue(catalogue.accounts), timeoutMs);
    if (!facts) catalogue.suspect?.();
    return facts ?? { catalogue: { ok: false } };
  };
  const factsOf = async (reading: Promise<Partial<Facts>>, unavailable: Partial<Facts>) =>
    (await resultWithin(reading, timeoutMs)) ?? unavailable;
  const [processFacts, ...parts] = await Promise.all([
    gather.process(),
    unlessLate(factsOfCatalogue()),
    unlessLate(factsOf(gather.queue(signal), { queue: { ok: false } })),
    unlessLate(factsOf(gather.store(signal), { store: { ok: false } })),
  ]);
  const [fromCatalogue, queue, store] = parts;
  const facts: Facts = { ...processFacts, ...fromCatalogue, ...queue, ...store };
  return { facts, ...findingsOf(facts) };
}

/** Resolves with undefined if the work failed or took longer. Never rejects. */
const resultWithin = <T>(work: Promise<T>, ms: number): Promise<T | undefined> =>
  withTimeout(work, ms, 'check').catch(() => undefined);

const CACHE_MS = 1_000;

export interface SharedRun<T> {
  (): Promise<T>;
  /** The next call runs again: what was found may be over. */
  forget(): void;
}

/**
 * Returns a function that runs `run` at most once a second and shares the result: open routes may be called at a high
 * rate. `run` must never reject.
 */
export function atMostOncePerSecond<T>(run: () => Promise<T>): SharedRun<T> {
  let last: { atMs: number; result: Promise<T> } | undefined;
  const shared = () => {
    if (!last || performance.now() - last.atMs > CACHE_MS) last = { atMs: performance.now(), result: run() };
    return last.result;
  };
  return Object.assign(shared, {
    forget: () => {
      last = undefined;
    },
  });
}
