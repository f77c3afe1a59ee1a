/** For each sabotage a short script of its own, in which the broken promise shows by necessity and not by luck. */
import { setTimeout as wait } from 'node:timers/promises';
import type { CellName, Findings } from './check/findings.ts';
import { type Fixture, openFixture, untilReady } from './fixture.ts';
import { conclude, startProcesses, untilIdle } from './play.ts';
import type { SabotageMode } from './sabotage-modes.ts';
import type { Role, Sending, Wish } from './script.ts';
import { createSender, type Sender } from './sender.ts';

interface Scenario {
  readonly shape: 'embedded' | 'redis';
  /** The cell that must not be zero. */
  readonly cell: CellName;
  play(fixture: Fixture, sender: Sender): Promise<void>;
}

const LIFE_MS = 10 * 60_000;
const LIMIT_MS = 60_000;
const MEDIA = 6;
/** Longer than the product needs to find what was lost: a job is looked for ten seconds after it was made. */
const REPAIR_MS = 30_000;
const SABOTAGED = 'test/chaos/sabotaged-program.ts';
const PROGRAMS: Readonly<Record<'embedded' | 'redis', Partial<Record<Role, string>>>> = {
  embedded: { all: SABOTAGED },
  redis: { server: SABOTAGED, 'worker-1': SABOTAGED, 'sweeper-1': SABOTAGED },
};

const send = (sender: Sender, wish: Omit<Wish, 'seed'>) =>
  sender.play(
    Array.from({ length: MEDIA }, (_, index): Sending => {
      const full = { withPicUrl: false, withThumb: false, ...wish, seed: index + 1 };
      return { atMs: 0, account: 0, wish: full, how: 'inOrder', ageShare: 0 };
    }),
    performance.now(),
  );

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`not within ${LIMIT_MS / 1000} s: ${what}`);
    await wait(100);
  }
}

/** The server and a sweeper, so that rows become jobs and no worker takes them. */
async function startWithoutWorkers(fixture: Fixture): Promise<void> {
  fixture.processes.start('server');
  await untilReady(fixture);
  fixture.processes.start('sweeper-1');
}
const untilQueued = ({ redis }: Fixture) =>
  until('the items are in the queue', async () => (await redis!.jobs()) >= MEDIA);

export const SCENARIOS: Readonly<Record<SabotageMode, Scenario>> = {
  'answer-before-commit': {
    shape: 'embedded',
    cell: 'answered, never accepted',
    play: async (fixture, sender) => {
      await startProcesses(fixture);
      await send(sender, { kind: 'voice' });
      await fixture.processes.kill('all', 0);
      await untilReady(fixture);
      await untilIdle(fixture, LIMIT_MS);
    },
  },
  'body-cut': {
    shape: 'embedded',
    cell: 'archived with wrong bytes',
    play: async (fixture, sender) => {
      await startProcesses(fixture);
      await send(sender, { kind: 'image', fault: { name: 'lengthTooSmall', times: 1 } });
      await untilIdle(fixture, LIMIT_MS);
    },
  },
  'token-logged': {
    shape: 'embedded',
    cell: 'secrets found',
    play: async (fixture, sender) => {
      await startProcesses(fixture);
      await send(sender, { kind: 'voice' });
      await untilIdle(fixture, LIMIT_MS);
    },
  },
  'no-repair': {
    shape: 'redis',
    cell: 'rows stuck',
    play: async (fixture, sender) => {
      await startWithoutWorkers(fixture);
      await send(sender, { kind: 'voice' });
      await untilQueued(fixture);
      await fixture.redis!.flush();
      fixture.processes.start('worker-1');
      await untilIdle(fixture, REPAIR_MS);
    },
  },
  /**
   * A Redis that comes back with a backup: its jobs are of a round that is over. They meet a WeChat that denies the
   * media for a moment, and the row must not believe them, because the job of its own round is still to come.
   */
  'no-round-guard': {
    shape: 'redis',
    cell: 'accepted and lost',
    play: async (fixture, sender) => {
      const { redis, wechat, processes } = fixture;
      const { account } = fixture.accounts[0]!;
      await startWithoutWorkers(fixture);
      await send(sender, { kind: 'voice' });
      await untilQueued(fixture);
      await redis!.keep();
      await redis!.flush();
      await untilQueued(fixture);
      await wechat.accountFault(account, 'mediaErrcode', 40007);
      await redis!.kill(0, 'past');
      processes.start('worker-1');
      await until('all were denied', async () => {
        const { errcodes } = (await wechat.requestLog()) as { errcodes: Record<string, number> };
        return (errcodes['40007'] ?? 0) >= MEDIA;
      });
      await wechat.endAccountFault(account, 'mediaErrcode');
      await untilIdle(fixture, LIMIT_MS);
    },
  },
};

/** Plays the scenario of `mode`; with `broken: false` the same on the product as it is, where all must be zero. */
export async function playScenario(
  mode: SabotageMode,
  { broken, keep = false }: { broken: boolean; keep?: boolean },
): Promise<{ findings: Findings; cell: CellName; folder: string }> {
  const { shape, cell, play } = SCENARIOS[mode];
  const fixture = await openFixture({
    shape,
    lifeMs: LIFE_MS,
    keep,
    ...(broken && { programs: PROGRAMS[shape], env: { CHAOS_SABOTAGE: mode } }),
  });
  try {
    const sender = createSender(fixture, { lifeMs: LIFE_MS, untilAccepted: true });
    await play(fixture, sender);
    await sender.close();
    const script = { shape, seed: 0, lifeMs: LIFE_MS };
    const { findings } = await conclude(fixture, { script, way: 'product' }, sender.lines);
    if (!sender.lines.some(({ accepted }) => accepted))
      throw new Error('nothing was accepted: that proves nothing');
    const output = fixture.processes.roles.map((role: Role) => fixture.processes.log(role)).join('');
    if (output.includes(`sabotaged: ${mode}`) !== broken)
      throw new Error(`the programs were ${broken ? 'not ' : ''}sabotaged:\n${output.slice(-2_000)}`);
    return { findings, cell, folder: fixture.folder };
  } finally {
    await fixture.close();
  }
}
