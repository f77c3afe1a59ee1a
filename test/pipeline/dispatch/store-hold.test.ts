import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { StoreHoldState } from '../../../src/catalogue/queue/store-hold.ts';
import type { Failure } from '../../../src/failures.ts';
import {
  createStoreHold,
  decideProbeMs,
  type StoreHoldChange,
} from '../../../src/pipeline/dispatch/store-hold.ts';
import { createLifetimes, systemClock } from '../../../src/runtime/clock.ts';
import { createMetrics } from '../../../src/runtime/metrics.ts';

const REFUSED: Failure = { code: 'store_refused', class: 'store', detail: 'HTTP 403 AccessDenied' };
const JOB = { jobId: 'm_1-3', id: 'm_1', round: 3, reference: {} as never, attempt: 1 } as never;
const DONE = { do: 'finish', result: 'archived' } as const;

/** The row of the database in memory, for as many processes as a test opens. */
function setup() {
  const row = { hold: undefined as StoreHoldState | undefined, passedAt: undefined as Date | undefined };
  let prober: string | undefined;
  const world = {
    row,
    answer: undefined as Failure | undefined,
    canaries: 0,
    /** Until it resolves no canary ends. */
    gate: Promise.resolve() as Promise<unknown>,
    stoodBack: [] as string[],
    said: [] as string[],
    changes: [] as StoreHoldChange[],
    released: 0,
  };
  const say = (...args: unknown[]) => void world.said.push(String(args.at(-1)));
  const open = () =>
    createStoreHold({
      catalogue: {
        storeHold: {
          read: async () => ({ ...row }),
          takeProbe: async (holder, now) => {
            if (prober || (row.hold && row.hold.until > now)) return false;
            prober = holder;
            return true;
          },
          refused: async (_holder, until, why, now) => {
            const isNew = !row.hold;
            const { since = now, probes = -1 } = row.hold ?? {};
            row.hold = { since, until, why, probes: probes + 1 };
            prober = undefined;
            return isNew;
          },
          passed: async (_holder, startedAt) => {
            const ended = row.hold !== undefined;
            Object.assign(row, { hold: undefined, passedAt: startedAt });
            prober = undefined;
            return ended;
          },
          dropProbe: async () => {
            prober = undefined;
          },
          standBack: async ({ id }) => {
            if (row.hold) world.stoodBack.push(id);
            return row.hold !== undefined;
          },
        },
      },
      probe: async () => {
        world.canaries++;
        await world.gate;
        return world.answer;
      },
      clock: systemClock,
      lifetimes: createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale: 1_000 }),
      metrics: createMetrics(),
      log: { info: say, warn: say },
      onChange: (change) => world.changes.push(change),
      onReleased: () => void world.released++,
    });
  return { world, open };
}

const never = new AbortController().signal;
const running = (within: AbortSignal) =>
  new Promise<never>((_, reject) => {
    if (within.aborted) return reject(within.reason);
    within.addEventListener('abort', () => reject(within.reason));
  });

describe('the hold of the store', () => {
  it('probes a refusal from 15 s to 5 min, and what is away from 2 s to 30 s', () => {
    const away = { code: 'store_unavailable' };
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5, 900].map((probes) => decideProbeMs(REFUSED, probes) / 1_000),
      [15, 30, 60, 120, 240, 300, 300],
    );
    assert.deepEqual(
      [0, 1, 2, 3, 4, 900].map((probes) => decideProbeMs(away, probes) / 1_000),
      [2, 4, 8, 16, 30, 30],
    );
  });

  it('holds where a canary is refused too: one canary for a wave of failures in two processes', async () => {
    const { world, open } = setup();
    world.answer = REFUSED;
    const [one, other] = [open(), open()];
    const judged = await Promise.all(
      [one, one, one, other, other].map((process) => process.probeAfterFailure(REFUSED)),
    );
    assert.deepEqual(new Set(judged), new Set(['held']));
    assert.equal(world.canaries, 1);
    assert.deepEqual(world.said, ['the store takes nothing: all archiving is held']);
    assert.deepEqual(
      world.changes.map(({ held }) => held),
      [true],
    );
  });

  it('takes a failure for the media’s own where a canary gets through that began after it', async () => {
    const { world, open } = setup();
    const { probeAfterFailure: judge } = open();
    const opened = Promise.withResolvers<void>();
    world.gate = opened.promise;
    const first = judge(REFUSED);
    await wait(5);
    const second = judge(REFUSED);
    opened.resolve();
    assert.deepEqual(await Promise.all([first, second]), [undefined, undefined]);
    assert.equal(world.canaries, 2, 'the first one began before the second failure');
    assert.deepEqual(world.said, []);
  });

  it('sends media back without running them while it is held, and lets them run when it is not', async () => {
    const { world, open } = setup();
    const { probeAfterFailure: judge, runUnlessHeld: guard } = open();
    assert.equal(await guard(JOB, never, async () => DONE), DONE);
    world.answer = REFUSED;
    await judge(REFUSED);
    const disposition = await guard(JOB, never, async () => assert.fail('it ran'));
    assert.deepEqual(disposition, { do: 'finish', result: 'later' });
    assert.deepEqual(world.stoodBack, ['m_1']);
    // Released by another process, which this one has not noticed: the row did not stand back.
    world.row.hold = undefined;
    assert.equal(await guard(JOB, never, async () => DONE), DONE);
  });

  it('cuts the tries in hand when a hold begins, here or elsewhere', async () => {
    const { world, open } = setup();
    const [one, other] = [open(), open()];
    const stop = new AbortController();
    const watching = other.run(stop.signal);
    const cut = [one.runUnlessHeld(JOB, never, running), other.runUnlessHeld(JOB, never, running)];
    world.answer = REFUSED;
    await one.probeAfterFailure(REFUSED);
    for (const disposition of await Promise.all(cut))
      assert.deepEqual(disposition, { do: 'finish', result: 'later' });
    stop.abort(new Error('closing'));
    await watching;
  });

  it('leaves a shutdown to whoever knows what to do with it', async () => {
    const { open } = setup();
    const { runUnlessHeld: guard } = open();
    const stop = new AbortController();
    const going = guard(JOB, stop.signal, running);
    stop.abort(new Error('closing'));
    await assert.rejects(going, /closing/);
    await assert.rejects(guard(JOB, stop.signal, running), /closing/);
  });

  it('probes until it gets through, then says so once and wakes the feeder', async () => {
    const { world, open } = setup();
    world.answer = REFUSED;
    const { probeAfterFailure: judge, run } = open();
    await judge(REFUSED);
    const stop = new AbortController();
    const watching = run(stop.signal);
    while ((world.row.hold?.probes ?? 0) < 2) await wait(10);
    assert.equal(world.row.hold?.since.getTime(), world.changes[0]?.at.getTime());
    world.answer = undefined;
    while (world.row.hold) await wait(10);
    while (world.released === 0) await wait(5);
    stop.abort(new Error('closing'));
    await watching;
    assert.deepEqual(
      world.said.filter((words) => words.includes('store')),
      ['the store takes nothing: all archiving is held', 'the store works again: archiving goes on'],
    );
    assert.deepEqual(
      world.changes.map(({ held }) => held),
      [true, false],
    );
    assert.equal(world.released, 1);
  });
});
