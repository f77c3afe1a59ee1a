/** Runs the list of checks for a program, bounded in time and in frequency. */
import { hostname } from 'node:os';
import type { Config } from '../config/config.ts';
import type { Facts } from '../pipeline/checks/check.ts';
import { type Findings, findingsOf } from '../pipeline/checks/findings.ts';
import { createFactGatherer, type FactGatherer, type FactGathererDeps } from '../pipeline/checks/gather.ts';
import { freeBytes } from '../runtime/disk/disk-space.ts';
import type { Health } from '../runtime/health.ts';
import { withTimeout } from '../runtime/timeout.ts';

/** How long a part may take to respond. */
export const CHECK_MS = 2_000;

/** `host (program, pid)`: the target of findings of this process. */
export const processName = (program: string): string => `${hostname()} (${program}, ${process.pid})`;

export function createProgramFacts(
  deps: Omit<FactGathererDeps, 'process'> & {
    config: Pick<Config, 'dataFolder' | 'shape'>;
    health: Health;
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
  return createFactGatherer({ ...deps, process: processName(program) });
}

const MIB = 1024 * 1024;

/** The free space below which the embedded parts or the spool stop writing; undefined: nothing is written in DATA_DIR. */
function floorOf({ shape }: Pick<Config, 'shape'>, program: string): number | undefined {
  if (shape.database === 'embedded' || shape.store === 'embedded') return 256 * MIB;
  return ['all', 'server'].includes(program) ? 64 * MIB : undefined;
}

export interface CheckRun extends Findings {
  readonly facts: Facts;
}

/**
 * Reads all facts within 2 s (or `withinMs`) and computes the findings. A catalogue that is known to be away is not
 * queried: each query would hold a connection for half a minute.
 */
export async function runChecks(
  gather: FactGatherer,
  catalogue: {
    isAway?: () => boolean;
    suspect?: () => void;
    accounts?: readonly string[];
    withinMs?: number;
  } = {},
): Promise<CheckRun> {
  const { withinMs = CHECK_MS } = catalogue;
  const signal = AbortSignal.timeout(withinMs);
  const factsOfCatalogue = async (): Promise<Partial<Facts>> => {
    if (catalogue.isAway?.()) return { catalogue: { ok: false } };
    const facts = await resultWithin(gather.catalogue(catalogue.accounts), withinMs);
    if (!facts) catalogue.suspect?.();
    return facts ?? { catalogue: { ok: false } };
  };
  const [here, ...parts] = await Promise.all([
    gather.process(),
    factsOfCatalogue(),
    resultWithin(gather.queue(signal), withinMs),
    resultWithin(gather.store(signal), withinMs),
  ]);
  const [fromCatalogue, queue = { queue: { ok: false } }, store = { store: { ok: false } }] = parts;
  const facts: Facts = { ...here, ...fromCatalogue, ...queue, ...store };
  return { facts, ...findingsOf(facts) };
}

/** Resolves with undefined where the work failed or took longer. Never rejects. */
const resultWithin = <T>(work: Promise<T>, ms: number): Promise<T | undefined> =>
  withTimeout(work, ms, 'check').catch(() => undefined);

const CACHE_MS = 1_000;

/** Open routes may be called at any rate: the parts behind them are queried once a second. `run` never rejects. */
export function atMostOncePerSecond<T>(run: () => Promise<T>): () => Promise<T> {
  let last: { atMs: number; result: Promise<T> } | undefined;
  return () => {
    if (!last || performance.now() - last.atMs > CACHE_MS) last = { atMs: performance.now(), result: run() };
    return last.result;
  };
}
