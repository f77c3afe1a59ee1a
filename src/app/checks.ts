/** The list of checks of a program: what it looks at, and how often, however often it is asked. */
import { hostname } from 'node:os';
import type { Config } from '../config/config.ts';
import type { Facts } from '../pipeline/checks/check.ts';
import { type Findings, findingsOf } from '../pipeline/checks/findings.ts';
import { createFactGatherer, type FactGatherer, type FactGathererDeps } from '../pipeline/checks/gather.ts';
import { freeBytes } from '../runtime/disk/disk-space.ts';
import type { Health } from '../runtime/health.ts';

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

/** Where the embedded parts stop writing, and where the spool does; undefined: nothing is written in DATA_DIR. */
function floorOf({ shape }: Pick<Config, 'shape'>, program: string): number | undefined {
  if (shape.database === 'embedded' || shape.store === 'embedded') return 256 * MIB;
  return ['all', 'server'].includes(program) ? 64 * MIB : undefined;
}

export interface CheckRun extends Findings {
  readonly facts: Facts;
}

/**
 * All facts within 2 s (or `withinMs`), and what they say. A catalogue that is known to be away is not asked: every
 * question would keep a connection for half a minute.
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
  const askCatalogue = async (): Promise<Partial<Facts>> => {
    if (catalogue.isAway?.()) return { catalogue: { ok: false } };
    const facts = await settledWithin(gather.catalogue(catalogue.accounts), withinMs);
    if (!facts) catalogue.suspect?.();
    return facts ?? { catalogue: { ok: false } };
  };
  const [here, ...parts] = await Promise.all([
    gather.process(),
    askCatalogue(),
    settledWithin(gather.queue(signal), withinMs),
    settledWithin(gather.store(signal), withinMs),
  ]);
  const [fromCatalogue, queue = { queue: { ok: false } }, store = { store: { ok: false } }] = parts;
  const facts: Facts = { ...here, ...fromCatalogue, ...queue, ...store };
  return { facts, ...findingsOf(facts) };
}

/** Undefined: it failed, or took longer. Never rejects. */
async function settledWithin<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([work.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}

const LOOK_EVERY_MS = 1_000;

/** Whoever asks is not known to us: the parts behind are asked once a second. `look` never rejects. */
export function atMostOncePerSecond<T>(look: () => Promise<T>): () => Promise<T> {
  let last: { atMs: number; answer: Promise<T> } | undefined;
  return () => {
    if (!last || performance.now() - last.atMs > LOOK_EVERY_MS)
      last = { atMs: performance.now(), answer: look() };
    return last.answer;
  };
}
