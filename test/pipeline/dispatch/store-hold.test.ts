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
import { createRecordingLog } from '../recording-log.ts';

const REFUSED: Failure = { code: 'store_refused', class: 'store', detail: 'HTTP 403 AccessDenied' };
const JOB = { jobId: 'm_1-3', id: 'm_1', generation: 3, reference: {} as never, attempt: 1 } as never;
const DONE = { action: 'finish', result: 'archived' } as const;

/** The row of the database in memory, shared by as many processes as a test opens. */
function setup() {
  const row = {
    hold: undefined as StoreHoldState | undefined,
    lastProbeSuccessAt: undefined as Date | undefined,
  };
  let prober: string | undefined;
  const state = {
    row,
    probeFailure: undefined as Failure | undefined,
    probeCount: 0,
    /** No probe ends before it resolves. */
    blocked: Promise.resolve() as Promise<unknown>,
    requeued: [] as string[],
    changes: [] as StoreHoldChange[],
    released: 0,
  };
  const { log, lines } = createRecordingLog();
  const messages = () => lines.map(({ message }) => message);
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
          probeFailed: async (_holder, until, why, now) => {
            const isNew = !row.hold;
            const { since = now, probes = -1 } = row.hold ?? {};
            row.hold = { since, until, failure: why, probes: probes + 1 };
            prober = undefined;
            return isNew;
          },
          probeSucceeded: async (_holder, startedAt) => {
            const ended = row.hold !== undefined;
            Object.assign(row, { hold: undefined, lastProbeSuccessAt: startedAt });
            prober = undefined;
            return ended;
          },
          releaseProbe: async () => {
            prober = undefined;
          },
          requeue: async ({ id }) => {
            if (row.hold) state.requeued.push(id);
            return row.hold !== undefined;
          },
        },
      },
      probe: async () => {
        state.probeCount++;
        await state.blocked;
        return state.probeFailure;
      },
      clock: systemClock,
      lifetimes: createLifetimes({ mediaLifetimeMs: 72 * 3_600_000, timeScale: 1_000 }),
      metrics: createMetrics(),
      log,
      onChange: (change) => state.changes.push(change),
      onReleased: () => void state.released++,
    });
  return { state, open, messages };
}

const never = new AbortController().signal;
const running = (within: AbortSignal) =>
  new Promise<never>((_, reject) => {
    if (within.aborted) return reject(within.reason);
    within.addEventListener('abort', () => reject(within.reason));
  });

describe('the store hold', () => {
  it('probes every 15 s to 5 min after a refusal, and every 2 s to 30 s while the store is unavailable', () => {
    const unavailable = { code: 'store_unavailable' };
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5, 900].map((probes) => decideProbeMs(REFUSED, probes) / 1_000),
      [15, 30, 60, 120, 240, 300, 300],
    );
    assert.deepEqual(
      [0, 1, 2, 3, 4, 900].map((probes) => decideProbeMs(unavailable, probes) / 1_000),
      [2, 4, 8, 16, 30, 30],
    );
  });

  it('begins where the probe fails too, with one probe for a wave of failures in two processes', async () => {
    const { state, open, messages } = setup();
    state.probeFailure = REFUSED;
    const [one, other] = [open(), open()];
    const results = await Promise.all(
      [one, one, one, other, other].map((process) => process.probeAfterFailure(REFUSED)),
    );
    assert.deepEqual(new Set(results), new Set(['held']));
    assert.equal(state.probeCount, 1);
    assert.deepEqual(messages(), ['store-hold: the store accepts nothing, archiving is held']);
    assert.deepEqual(
      state.changes.map(({ held }) => held),
      [true],
    );
  });

  it('does not begin where a probe succeeds that began after the failure', async () => {
    const { state, open, messages } = setup();
    const { probeAfterFailure } = open();
    const opened = Promise.withResolvers<void>();
    state.blocked = opened.promise;
    const first = probeAfterFailure(REFUSED);
    await wait(5);
    const second = probeAfterFailure(REFUSED);
    opened.resolve();
    assert.deepEqual(await Promise.all([first, second]), [undefined, undefined]);
    assert.equal(state.probeCount, 2, 'the first one began before the second failure');
    assert.deepEqual(messages(), []);
  });

  it('requeues jobs without running them while it lasts, and lets them run afterwards', async () => {
    const { state, open } = setup();
    const { probeAfterFailure, runUnlessHeld } = open();
    assert.equal(await runUnlessHeld(JOB, never, async () => DONE), DONE);
    state.probeFailure = REFUSED;
    await probeAfterFailure(REFUSED);
    const result = await runUnlessHeld(JOB, never, async () => assert.fail('it ran'));
    assert.deepEqual(result, { action: 'finish', result: 'later' });
    assert.deepEqual(state.requeued, ['m_1']);
    // Released by another process, which this one has not noticed: the row was not requeued.
    state.row.hold = undefined;
    assert.equal(await runUnlessHeld(JOB, never, async () => DONE), DONE);
  });

  it('aborts running attempts when it begins, in this process and in others', async () => {
    const { state, open } = setup();
    const [one, other] = [open(), open()];
    const stop = new AbortController();
    const watching = other.run(stop.signal);
    const cut = [one.runUnlessHeld(JOB, never, running), other.runUnlessHeld(JOB, never, running)];
    state.probeFailure = REFUSED;
    await one.probeAfterFailure(REFUSED);
    for (const result of await Promise.all(cut))
      assert.deepEqual(result, { action: 'finish', result: 'later' });
    stop.abort(new Error('closing'));
    await watching;
  });

  it('passes a shutdown on to the caller', async () => {
    const { open } = setup();
    const { runUnlessHeld } = open();
    const stop = new AbortController();
    const aborted = runUnlessHeld(JOB, stop.signal, running);
    stop.abort(new Error('closing'));
    await assert.rejects(aborted, /closing/);
    await assert.rejects(runUnlessHeld(JOB, stop.signal, running), /closing/);
  });

  it('probes until one succeeds, then logs it once and wakes the dispatcher', async () => {
    const { state, open, messages } = setup();
    state.probeFailure = REFUSED;
    const { probeAfterFailure, run } = open();
    await probeAfterFailure(REFUSED);
    const stop = new AbortController();
    const watching = run(stop.signal);
    while ((state.row.hold?.probes ?? 0) < 2) await wait(10);
    assert.equal(state.row.hold?.since.getTime(), state.changes[0]?.at.getTime());
    state.probeFailure = undefined;
    while (state.row.hold) await wait(10);
    while (state.released === 0) await wait(5);
    stop.abort(new Error('closing'));
    await watching;
    assert.deepEqual(messages(), [
      'store-hold: the store accepts nothing, archiving is held',
      'store-hold: the store works again, archiving continues',
    ]);
    assert.deepEqual(
      state.changes.map(({ held }) => held),
      [true, false],
    );
    assert.equal(state.released, 1);
  });
});
