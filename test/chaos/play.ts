/** One run from its script to its findings. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createActions } from './actions.ts';
import { checkEvidence } from './check/check-evidence.ts';
import { readEvidence } from './check/evidence.ts';
import type { Findings } from './check/findings.ts';
import { askApi, collect, openUploads } from './collect.ts';
import { type Fixture, type FixtureOptions, openFixture, untilReady } from './fixture.ts';
import type { Script } from './script.ts';
import { createSender, type SentLine } from './sender.ts';

export interface Played {
  readonly findings: Findings;
  readonly sent: number;
  readonly accepted: number;
  readonly byStatus: Readonly<Record<string, number>>;
  /** How often each action was done. */
  readonly actions: Readonly<Record<string, number>>;
  /** Ends of processes that no action caused. */
  readonly crashes: readonly string[];
  readonly idleAfterSeconds: number;
  readonly folder: string;
}

export type Say = (line: string) => void;

const POLL_MS = 500;
/** So many looks in a row must find nothing to do: callbacks may still come out of a spool. */
const IDLE_POLLS = 4;
/** A sweeper aborts uploads that are a minute old. */
const UPLOADS_LIMIT_MS = 120_000;
/** Two hours of grace after the three days, played as everything else; and time for a machine that is slow. */
const closingMsOf = (lifeMs: number) => lifeMs / 36;
const MARGIN_MS = 90_000;
/** A service that is down accepts nothing and loses nothing. */
const LEAST_ACCEPTED = 0.3;

/** All at once, as a machine that comes up does; ready when the server is. */
export async function startProcesses(fixture: Fixture): Promise<void> {
  for (const role of fixture.processes.roles) fixture.processes.start(role);
  await untilReady(fixture);
}

/** Waits until nothing is pending in several polls in a row, or until `limitMs`. Resolves with the milliseconds. */
export async function untilIdle(
  fixture: Fixture,
  limitMs: number,
  way: 'product' | 'naive' = 'product',
): Promise<number> {
  const unfinished = async () => {
    if (way === 'naive') return await fixture.redis?.unfinished();
    return (await askApi<{ byStatus: { pending?: number } }>(fixture, '/v1/stats')).byStatus.pending;
  };
  const startedAt = performance.now();
  let quiet = 0;
  while (quiet < IDLE_POLLS && performance.now() - startedAt < limitMs) {
    await wait(POLL_MS);
    quiet = (await unfinished().catch(() => undefined)) === 0 ? quiet + 1 : 0;
  }
  return performance.now() - startedAt;
}

async function untilNoUploads(fixture: Fixture): Promise<void> {
  const access = await fixture.storeAccess();
  const deadline = performance.now() + UPLOADS_LIMIT_MS;
  while (performance.now() < deadline && (await openUploads(access)).length > 0) await wait(POLL_MS);
}

const statusesOf = (statuses: readonly string[]) => {
  const count: Record<string, number> = {};
  for (const status of statuses) count[status] = (count[status] ?? 0) + 1;
  return count;
};

/** Gathers the evidence, ends the processes, and checks the evidence. */
export async function conclude(
  fixture: Fixture,
  of: { script: Pick<Script, 'shape' | 'seed' | 'lifeMs'>; way: 'product' | 'naive' },
  sent: readonly SentLine[],
): Promise<{ findings: Findings; byStatus: Record<string, number> }> {
  const { shape, seed, lifeMs } = of.script;
  await collect(fixture, { way: of.way, shape, seed, lifeMs }, sent, of.way === 'product');
  const evidence = readEvidence(fixture.folder);
  const statuses =
    of.way === 'product' ? evidence.rows.map(({ status }) => status) : evidence.objects.map(() => 'archived');
  return { findings: checkEvidence(evidence), byStatus: statusesOf(statuses) };
}

const NAIVE: NonNullable<FixtureOptions['programs']> = {
  server: 'test/chaos/naive/server.ts',
  'worker-1': 'test/chaos/naive/worker.ts',
  'worker-2': 'test/chaos/naive/worker.ts',
};

export async function play(
  script: Script,
  options: Omit<FixtureOptions, 'shape' | 'lifeMs' | 'programs'> & { way?: 'product' | 'naive' },
  say: Say,
): Promise<Played> {
  const { shape, lifeMs, loadMs } = script;
  const { way = 'product', ...machines } = options;
  const programs = way === 'naive' ? { programs: NAIVE } : {};
  const fixture = await openFixture({ ...machines, ...programs, shape, lifeMs });
  try {
    say(`folder ${fixture.folder}`);
    writeFileSync(join(fixture.folder, 'script.json'), JSON.stringify(script, null, 1));
    await startProcesses(fixture);
    say(
      `ready; ${script.sendings.length} callbacks and ${script.actions.length} actions in ${loadMs / 1000} s`,
    );
    const sender = createSender(fixture, script);
    const actions = createActions(fixture, AbortSignal.timeout(loadMs));
    const startedAt = performance.now();
    await Promise.all([sender.play(script.sendings, startedAt), actions.play(script.actions, startedAt)]);
    await sender.close();
    say('all sent, all faults over; waiting until nothing is left to do');
    const limitMs = lifeMs + closingMsOf(lifeMs) + MARGIN_MS;
    const idleAfterMs = await untilIdle(fixture, limitMs, way);
    await untilNoUploads(fixture);
    const accepted = sender.lines.filter((line) => line.accepted).length;
    const named = new Set(sender.lines.filter((line) => line.accepted).map((line) => line.mediaIds[0]));
    if (named.size < script.sendings.length * LEAST_ACCEPTED)
      throw new Error(`${named.size} of ${script.sendings.length} items were accepted: that proves nothing`);
    say(
      `${accepted} of ${sender.lines.length} accepted; quiet after ${Math.round(idleAfterMs / 1000)} s; checking`,
    );
    return {
      ...(await conclude(fixture, { script, way }, sender.lines)),
      sent: sender.lines.length,
      accepted,
      actions: actions.count,
      crashes: fixture.processes.crashes,
      idleAfterSeconds: Math.round(idleAfterMs / 1000),
      folder: fixture.folder,
    };
  } finally {
    await fixture.close();
  }
}
